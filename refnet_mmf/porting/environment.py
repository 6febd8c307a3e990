"""The Python environment that MMF goes into: what it holds, and its pip."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from refnet_mmf.porting.rule import PortingError

# The official wheel says that it is for Python 3.8, which is no reason not to take it apart.
_OFFICIAL_WHEEL = (
    *("--python-version", "3.8", "--implementation", "cp", "--abi", "cp38"),
    *("--platform", "manylinux1_x86_64", "--platform", "manylinux2014_x86_64"),
    *("--only-binary", ":all:"),
)


def installed_version(name: str, folder: Path | None = None) -> str | None:
    """Looks up a distribution.

    Args:
        name: Its name.
        folder: Where to look; this environment's packages unless told. Not ``sys.path``, where an
            unpacked MMF may stand before the installed one.

    Returns:
        Its version, or None where it is not installed.
    """
    path = [str(folder or _packages())]
    found = [each.version for each in importlib.metadata.distributions(name=name, path=path)]
    return found[0] if found else None


def check_writable() -> None:
    """Makes sure that this environment can be changed.

    Raises:
        PortingError: It cannot.
    """
    folder = _packages()
    if not os.access(folder, os.W_OK):
        raise PortingError(
            f"{folder}: this environment is not writable; make one of your own with "
            f"'{Path(sys.executable).name} -m venv DIR', or unpack MMF elsewhere with --target DIR"
        )


def download_wheel(name: str, version: str, folder: Path) -> Path:
    """Gets a distribution's official wheel from the package index.

    Args:
        name: The distribution.
        version: Its version.
        folder: An empty folder for the wheel.

    Returns:
        The wheel.

    Raises:
        PortingError: There is no pip, no network, or no such wheel.
    """
    _pip(
        f"cannot get {name}=={version} from the package index; check the network, or get its "
        "cp38 wheel where there is one and pass it with --wheel FILE",
        *("download", f"{name}=={version}", "--no-deps", *_OFFICIAL_WHEEL),
        *("--retries", "1", "--dest", str(folder)),
    )
    return next(folder.glob("*.whl"))


def install_wheel(wheel: Path) -> None:
    """Installs a wheel, in place of what has its name.

    Args:
        wheel: The wheel.

    Raises:
        PortingError: There is no pip, or it refuses.
    """
    _pip(
        f"cannot install {wheel.name}",
        *("install", "--no-index", "--no-deps", "--force-reinstall", str(wheel)),
    )


def _packages() -> Path:
    """Where this environment keeps its pure packages."""
    return Path(sysconfig.get_path("purelib"))


def _pip(failure: str, *arguments: str) -> None:
    """Runs this environment's pip; where it fails, its last complaint goes into the error."""
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments)
    # An MMF on PYTHONPATH would hide from pip the installed one, which it has to take away.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line[7:] for line in lines if line.lower().startswith("error: ")]
        reason = (errors or lines or ["no reason given"])[-1]
        if "No module named pip" in reason:
            reason += f"; put it there with '{Path(sys.executable).name} -m ensurepip'"
        raise PortingError(f"{failure} (pip: {reason})")
