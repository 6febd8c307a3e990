"""Files that are whole or not there: written beside their place and renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


def save_atomically(content: Any, *paths: Path) -> None:
    """Save an object by torch under each of ``paths``.

    A process that is killed on the way leaves what was there before. The files are names of one
    file where the file system has such.
    """
    first, *others = paths
    with in_place_of(first) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    for path in others:
        with in_place_of(path) as temporary:
            _link_or_copy(first, temporary)


@contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """Give the path of a file to write, which then takes the place of ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.unfinished")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _link_or_copy(source: Path, path: Path) -> None:
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, path)
