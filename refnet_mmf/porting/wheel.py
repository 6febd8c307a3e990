"""Distributions as mappings from path to content: read from a wheel, written as one, unpacked."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from refnet_mmf.porting.rule import PortingError

TAG = "py3-none-any"
_WHEEL = f"Wheel-Version: 1.0\nGenerator: refnet_mmf\nRoot-Is-Purelib: true\nTag: {TAG}\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_MODE = 0o100644 << 16


def read_wheel(path: Path) -> dict[str, bytes]:
    """Reads all files of a wheel.

    Args:
        path: The wheel.

    Returns:
        Contents by path.

    Raises:
        PortingError: There is no such file, or it is not a wheel.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}
    except (OSError, zipfile.BadZipFile) as error:
        raise PortingError(f"{path}: cannot be read as a wheel ({error})") from error


def with_dist_info(
    files: Mapping[str, bytes], name: str, version: str, info: Mapping[str, str]
) -> dict[str, bytes]:
    """Completes the files of packages to a pure distribution.

    Args:
        files: The packages' files by path.
        name: The distribution's name.
        version: Its version.
        info: What ``.dist-info`` holds besides WHEEL and RECORD, which are written here.

    Returns:
        All files of the distribution by path.
    """
    folder = f"{name}-{version}.dist-info"
    everything = dict(files)
    everything.update({f"{folder}/{path}": text.encode() for path, text in info.items()})
    everything[f"{folder}/WHEEL"] = _WHEEL.encode()
    lines = [f"{path},{_digest(everything[path])}\n" for path in sorted(everything)]
    everything[f"{folder}/RECORD"] = "".join([*lines, f"{folder}/RECORD,,\n"]).encode()
    return everything


def write_wheel(files: Mapping[str, bytes], name: str, version: str, folder: Path) -> Path:
    """Writes a complete distribution as a wheel: the same files give the same bytes.

    Args:
        files: All files of the distribution by path.
        name: Its name.
        version: Its version.
        folder: Where to write it; made if need be.

    Returns:
        The wheel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{TAG}.whl"
    # The format asks for .dist-info at the end of the archive.
    order = sorted(files, key=lambda member: (".dist-info/" in member, member))
    with zipfile.ZipFile(path, "w") as archive:
        for member in order:
            entry = zipfile.ZipInfo(member, _EPOCH)
            entry.create_system = 3
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[member])
    return path


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes the files of a distribution into a folder.

    Args:
        files: Contents by path.
        folder: Where to write them; made if need be.
    """
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _digest(content: bytes) -> str:
    """The hash and the size of a file, as RECORD has them."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(content)}"
