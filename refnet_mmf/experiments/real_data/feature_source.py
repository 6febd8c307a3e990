"""Finds the lmdb of features in what a user has: a folder, a file, or MMF's ``.tar.gz``."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from refnet_mmf.experiments.real_data.archive import GZIP_MAGIC
from refnet_mmf.experiments.real_data.description import DataError
from refnet_mmf.experiments.real_data.raw_folder import hidden, open_raw
from refnet_mmf.plugin.link_or_copy import link_or_copy

DATA = "data.mdb"


def place_features(source: Path, scratch: Path, target: Path) -> None:
    """Put the lmdb that ``source`` is or holds at ``target``, by hard links where possible.

    Args:
        source: an lmdb (a folder or a single file), a folder that holds some, or an archive.
        scratch: where an archive may be extracted; not there yet.
        target: the lmdb to make; not there yet.

    Raises:
        DataError: there is no lmdb, or more than one and none of ``target``'s name.
    """
    if source.is_file() and not _is_archive(source):
        link_or_copy(source.resolve(), target)
        return
    folder = open_raw(source, scratch, _is_lmdb)
    found = [folder.path] if (folder.path / DATA).exists() else sorted(folder.path.rglob("*.lmdb"))
    named = [path for path in found if path.name == target.name]
    if len(found) != 1 and len(named) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DataError(f"{source}: expected one lmdb, {target.name}; found {names}")
    relative = (named if len(found) != 1 else found)[0].relative_to(folder.path)
    store = folder.find(str(relative)) or folder.find(str(relative / DATA))
    if store is None:
        raise DataError(f"{source}: {relative} has no {DATA}")
    if store.name == DATA:
        target.mkdir()
        target = target / DATA
    link_or_copy(store, target)


def _is_archive(file: Path) -> bool:
    with file.open("rb") as start:
        return start.read(len(GZIP_MAGIC)) == GZIP_MAGIC or tarfile.is_tarfile(file)


def _is_lmdb(path: PurePosixPath) -> bool:
    in_lmdb = len(path.parts) > 1 and path.parts[-2].endswith(".lmdb") and path.name == DATA
    return not hidden(path.name) and (in_lmdb or path.suffix == ".lmdb")
