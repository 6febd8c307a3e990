"""``refnet install-mmf``: puts an MMF that works into the current environment."""

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from refnet_mmf.porting import listing, rules_pypi
from refnet_mmf.porting.environment import (
    check_writable,
    download_wheel,
    install_wheel,
    installed_version,
)
from refnet_mmf.porting.lines import (
    NAME,
    PACKAGES,
    PYPI_VERSION,
    Ported,
    port_checkout,
    port_wheel,
    read_checkout,
)
from refnet_mmf.porting.rule import PortingError
from refnet_mmf.porting.wheel import unpack, write_wheel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options.

    Args:
        parser: The parser of the command.
    """
    parser.description = (
        "Puts an MMF that runs on current Python, PyTorch and transformers into this environment: "
        "the newest release of the package index, or your own checkout of MMF's main branch."
    )
    sources = parser.add_mutually_exclusive_group()
    sources.add_argument(
        "--from",
        dest="checkout",
        type=Path,
        metavar="DIR",
        help="port this checkout of MMF's main branch (it is left as it is)",
    )
    sources.add_argument(
        "--wheel",
        type=Path,
        metavar="FILE",
        help=f"port this wheel of {NAME} {rules_pypi.VERSION} (cp38) in place of downloading it",
    )
    parser.add_argument(
        "--target",
        type=Path,
        metavar="DIR",
        help="unpack the ported MMF here, for PYTHONPATH, in place of installing it",
    )
    parser.add_argument(
        "--wheel-dir", type=Path, metavar="DIR", help="keep the wheel of the ported MMF here"
    )
    parser.add_argument("--force", action="store_true", help="port and install in any case")
    parser.add_argument("--list", action="store_true", help="show all rules, and do nothing else")
    parser.add_argument(
        "--markdown", action="store_true", help="with --list: as tables in Markdown"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Args:
        args: The options that `add_arguments` declares.

    Returns:
        0.

    Raises:
        PortingError: It stopped, and nothing has changed.
    """
    if args.markdown and not args.list:
        raise PortingError("--markdown: is for --list")
    if args.list:
        width = shutil.get_terminal_size((100, 24)).columns
        print(listing.as_markdown() if args.markdown else listing.as_text(width))
        return 0
    print("\n".join(_install(args)))
    return 0


def _install(args: argparse.Namespace) -> list[str]:
    """Does what the options ask for, and says what was done, line by line."""
    port: Callable[[], Ported]
    if args.checkout:
        checkout = read_checkout(args.checkout)
        version, port = checkout.version, lambda: port_checkout(checkout)
    else:
        if args.wheel is not None and not args.wheel.is_file():
            raise PortingError(f"{args.wheel}: cannot be read as a wheel")
        version, port = PYPI_VERSION, lambda: _port_release(args.wheel)

    if args.target is None:
        check_writable()
    is_there = installed_version(NAME, args.target) == version and not args.force
    done = []
    if is_there:
        done.append(f"already installed: {NAME} {version}, ported with these same rules")
    if is_there and args.wheel_dir is None:
        return done
    ported = port()
    if args.wheel_dir is not None:
        done.append(f"wheel: {write_wheel(ported.files, NAME, version, args.wheel_dir)}")
    if not is_there and args.target is not None:
        _replace(args.target, ported)
        done.append(f"unpacked {NAME} {version} into {args.target}")
    elif not is_there:
        with tempfile.TemporaryDirectory() as scratch:
            install_wheel(write_wheel(ported.files, NAME, version, Path(scratch)))
        done.append(f"installed {NAME} {version}")
    return done


def _port_release(wheel: Path | None) -> Ported:
    """Ports the release of the package index, from a wheel at hand or downloaded."""
    if wheel is not None:
        return port_wheel(wheel)
    with tempfile.TemporaryDirectory() as folder:
        return port_wheel(download_wheel(NAME, rules_pypi.VERSION, Path(folder)))


def _replace(target: Path, ported: Ported) -> None:
    """Unpacks into a folder that is new, or empty, or holds what was unpacked before."""
    if target.exists():
        foreign = {path.name for path in target.iterdir() if not _is_of_mmf(path.name)}
        version = installed_version(NAME, target)
        if foreign or (any(target.iterdir()) and "+refnet." not in (version or "")):
            raise PortingError(
                f"{target}: holds other files, which would be lost; name a new or an empty folder"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".refnet-") as scratch:
        fresh = Path(scratch) / "fresh"
        unpack(ported.files, fresh)
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)


def _is_of_mmf(name: str) -> bool:
    """Whether an unpacked MMF has a folder of this name at its top."""
    return name in PACKAGES or (name.startswith(f"{NAME}-") and name.endswith(".dist-info"))
