"""MMF's two lines, each made from its sources into a ported distribution."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.porting import rules_main, rules_pypi
from refnet_mmf.porting.rule import PortingError, apply_rules, fingerprint
from refnet_mmf.porting.wheel import read_wheel, with_dist_info

NAME = "mmf"
PYPI_VERSION = f"{rules_pypi.VERSION}+refnet.{fingerprint(rules_pypi.RULES)}"

PACKAGES = ("mmf", "mmf_cli")
_LICENSES = ("LICENSE", "NOTICES")
_COMPILED = {".pyc", ".so"}
_VERSION = re.compile(r"^__version__ = ['\"]([\w.]+)['\"]", re.MULTILINE)
_CONSOLE_SCRIPT = re.compile(r"['\"](mmf_\w+ = mmf_cli\.[\w.]+:\w+)['\"]")


@dataclass(frozen=True)
class Ported:
    """A ported MMF.

    Attributes:
        version: The version with its local part, which names the rules.
        files: All files of the distribution by path, its ``.dist-info`` among them.
    """

    version: str
    files: Mapping[str, bytes]


def port_wheel(path: Path) -> Ported:
    """Ports the official wheel of MMF.

    Args:
        path: The wheel.

    Returns:
        The ported MMF.

    Raises:
        PortingError: It is not that wheel.
    """
    files = read_wheel(path)
    folder = f"{NAME}-{rules_pypi.VERSION}.dist-info"
    packages = {k: v for k, v in files.items() if k.split("/")[0] in PACKAGES}
    missing = [name for name in rules_pypi.DROPPED if packages.pop(name, None) is None]
    if missing or f"{folder}/METADATA" not in files:
        raise PortingError(
            f"{path}: not the cp38 wheel of {NAME} {rules_pypi.VERSION}, the only one that holds "
            "MMF's configuration files; nothing was installed"
        )
    return Ported(
        PYPI_VERSION,
        with_dist_info(
            apply_rules(rules_pypi.RULES, packages),
            NAME,
            PYPI_VERSION,
            {
                "METADATA": _metadata(PYPI_VERSION),
                "entry_points.txt": files[f"{folder}/entry_points.txt"].decode(),
                "LICENSE": files[f"{folder}/LICENSE"].decode(),
            },
        ),
    )


@dataclass(frozen=True)
class Checkout:
    """A checkout of MMF's main branch.

    Attributes:
        folder: Where it stands.
        version: The version that its port will have: MMF's own, the rules', and that of the files.
        packages: The files that are installed, by path.
        info: The files for ``.dist-info``, by name.
    """

    folder: Path
    version: str
    packages: Mapping[str, bytes]
    info: Mapping[str, str]


def read_checkout(folder: Path) -> Checkout:
    """Reads a checkout of MMF's main branch, and leaves it as it is.

    Args:
        folder: The root of the checkout.

    Returns:
        What is to be ported.

    Raises:
        PortingError: The folder is absent or no checkout of MMF.
    """
    if not folder.is_dir():
        raise PortingError(f"{folder}: no such folder")
    for part in ("mmf/version.py", "mmf_cli", "projects", "setup.py"):
        if not (folder / part).exists():
            raise PortingError(f"{folder}: not a checkout of MMF, {part} is not there")
    found = _VERSION.search((folder / "mmf/version.py").read_text("utf-8"))
    if not found:
        raise PortingError(f"{folder}/mmf/version.py: no line that says __version__ = '...'")
    packages = {**_read_tree(folder, "mmf"), **_read_tree(folder, "mmf_cli")}
    # A checkout has its projects beside the package, an installation inside it: there too
    # config=projects/... is found.
    packages |= {f"mmf/{path}": content for path, content in _read_tree(folder, "projects").items()}
    version = f"{found[1]}+refnet.{fingerprint(rules_main.RULES)}.{_digest(packages)}"
    scripts = _CONSOLE_SCRIPT.findall((folder / "setup.py").read_text("utf-8"))
    info = {
        "METADATA": _metadata(version),
        "entry_points.txt": "".join(f"{line}\n" for line in ("[console_scripts]", *scripts)),
    }
    info |= {
        name: (folder / name).read_text("utf-8") for name in _LICENSES if (folder / name).is_file()
    }
    return Checkout(folder, version, packages, info)


def port_checkout(checkout: Checkout) -> Ported:
    """Ports a checkout of MMF's main branch.

    Args:
        checkout: What `read_checkout` gave.

    Returns:
        The ported MMF.

    Raises:
        PortingError: The rules do not match its files.
    """
    packages = apply_rules(rules_main.RULES, checkout.packages)
    files = with_dist_info(packages, NAME, checkout.version, checkout.info)
    return Ported(checkout.version, files)


def _metadata(version: str) -> str:
    """METADATA without requirements: those that MMF states are of its own time."""
    return (
        "Metadata-Version: 2.1\n"
        f"Name: {NAME}\n"
        f"Version: {version}\n"
        "Summary: MMF by Facebook AI Research, ported to current libraries by refnet_mmf\n"
        "Home-page: https://github.com/facebookresearch/mmf\n"
        "License: BSD\n"
        "Requires-Python: >=3.10\n"
    )


def _read_tree(root: Path, top: str) -> dict[str, bytes]:
    """All sources under a folder, through links, by path from the root."""
    files = {}
    for folder, subfolders, names in os.walk(root / top, followlinks=True):
        here = Path(folder)
        subfolders[:] = [name for name in subfolders if name != "__pycache__"]
        if here == root / "mmf" and "projects" in subfolders:
            subfolders.remove("projects")  # a link to the folder beside the package
        for name in names:
            if Path(name).suffix not in _COMPILED:
                path = here / name
                files[path.relative_to(root).as_posix()] = path.read_bytes()
    return files


def _digest(files: Mapping[str, bytes]) -> str:
    """``s`` and eight hexadecimal digits that name the contents of files."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode())
        digest.update(files[path])
    return "s" + digest.hexdigest()[:8]
