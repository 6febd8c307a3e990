"""Takes files out of a ``.tar.gz`` that others made, and lets none of it out of its folder."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from tqdm import tqdm

from refnet_mmf.experiments.real_data.description import DataError

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20

Wanted = Callable[[PurePosixPath], bool]
"""Tells of a member's path whether the file is needed."""


def extract(archive: Path, folder: Path, wanted: Wanted) -> None:
    """Extract the wanted files of an archive, in one pass, with a progress bar.

    Args:
        archive: a ``.tar.gz`` or ``.tar``.
        folder: an empty folder, which nobody else writes into.
        wanted: which files to extract; the others are skipped.

    Raises:
        DataError: it is no such archive, is truncated or damaged; or a member, wanted or not, is
            a link or a device, leads out of the archive by ``/`` or ``..``, or is there twice.
    """
    last = None
    with archive.open("rb") as file, _bar(archive) as bar:
        zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file) if zipped else file)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                while (member := tar.next()) is not None:
                    cast(Any, tar).members.clear()  # else it keeps them all
                    path = _checked(member, archive)
                    if member.isfile() and wanted(path):
                        _write(tar, member, folder / path, archive)
                    last = member.name
                    bar.update(file.tell() - bar.n)
            while stream.read(CHUNK):  # gzip's checksum stands at the very end
                pass
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            if last is not None:
                told = f"is truncated or damaged after the member {last!r}"
            else:
                told = "is damaged, or no .tar.gz" if zipped else "is no .tar.gz or .tar archive"
            raise DataError(f"{archive}: {told} ({error})") from None


def _bar(archive: Path) -> Any:
    size = archive.stat().st_size
    return tqdm(desc=archive.name, total=size, unit="B", unit_scale=True, unit_divisor=1024)


def _checked(member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{archive}: the member {member.name!r} leads out of the archive")
    if not (member.isfile() or member.isdir()):
        raise DataError(
            f"{archive}: the member {member.name!r} is a link or a device; "
            "only files and folders are taken"
        )
    return path


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, archive: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None  # it is one for every regular file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as copy:
            shutil.copyfileobj(source, copy, CHUNK)
    except (FileExistsError, NotADirectoryError):
        raise DataError(
            f"{archive}: the member {member.name!r} is there twice, or in the way of another"
        ) from None
