"""Files that are whole or not there: written beside their place and renamed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from refnet_mmf.core.messages import first_line
from refnet_mmf.plugin.link_or_copy import link_or_copy


def save_atomically(content: Any, *paths: Path) -> None:
    """Save an object by torch under each of ``paths``.

    A process that is killed on the way leaves what was there before. The files are names of one
    file where the file system has such.

    Raises:
        OSError: one of them can't be written.
    """
    first, *others = paths
    with in_place_of(first) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # torch's word for a full disk
            raise OSError(f"{first}: could not be written ({first_line(error)})") from None
        _bring_to_disk(temporary)
    for path in others:
        with in_place_of(path) as temporary:
            link_or_copy(first, temporary)


def write_atomically(content: str | bytes, path: Path) -> None:
    """Write a file, whole or not at all; text as UTF-8. Several processes may do so at a time.

    Raises:
        OSError: it can't be written; the message names it.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        with in_place_of(path, f"{os.getpid()}-{threading.get_ident()}") as temporary:
            temporary.write_bytes(data)
            _bring_to_disk(temporary)
    except OSError as error:
        raise type(error)(f"{path}: could not be written: {error.strerror}") from None


@contextmanager
def in_place_of(path: Path, who: str = "") -> Iterator[Path]:
    """Give the path of a file to write, which then takes the place of ``path``.

    Args:
        path: where it belongs.
        who: sets it apart from those that others write for the same place at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{who}{'.' if who else ''}unfinished")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _bring_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
