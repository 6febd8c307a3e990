"""A data set as it is published, as a folder: the user's own, or what an archive holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.experiments.real_data.archive import Wanted, extract
from refnet_mmf.experiments.real_data.description import DataError


@dataclass(frozen=True)
class RawFolder:
    """A folder of published files, which is only read.

    Attributes:
        path: the folder, without links in its path.
        name: what the user called it, for messages.
    """

    path: Path
    name: str

    def find(self, relative: str) -> Path | None:
        """Return the file at a path in the folder, links resolved; None if there is none.

        Raises:
            DataError: it is a link that leads out of the folder.
        """
        try:
            file = (self.path / relative).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not file.is_relative_to(self.path):
            raise DataError(f"{self.name}: {relative} is a link that leads out of the folder")
        return file if file.is_file() else None

    def where(self, holds: Callable[[Path], bool]) -> RawFolder:
        """Return the folder in it of which ``holds`` is true: itself, or one directly in it.

        Where it is true of none, itself.

        Raises:
            DataError: it is a link that leads out of the folder.
        """
        if holds(self.path):
            return self
        for inner in sorted(path for path in self.path.iterdir() if path.is_dir()):
            if holds(inner):
                if not inner.resolve().is_relative_to(self.path):
                    raise DataError(f"{self.name}: {inner.name} is a link that leads out of it")
                return RawFolder(inner.resolve(), self.name)
        return self

    def place(self, relative: str) -> str:
        """Name a file in a message."""
        return f"{self.name}: {relative}"


def open_raw(raw: Path, scratch: Path, wanted: Wanted) -> RawFolder:
    """Open a folder, or an archive: its wanted files are extracted to ``scratch`` first.

    Raises:
        DataError: there is nothing, or nothing that can be read.
    """
    if raw.is_dir():
        return RawFolder(raw.resolve(), str(raw))
    if not raw.is_file():
        raise DataError(f"{raw}: no such file or folder")
    scratch.mkdir(parents=True)
    extract(raw, scratch, wanted)
    return RawFolder(scratch.resolve(), str(raw))


def hidden(name: str) -> bool:
    """Whether a file is an operating system's by-product, e.g. ``._poster.jpeg``."""
    return name.startswith(".")
