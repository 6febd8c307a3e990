"""New parts of a data set: made in a temporary folder, put in place whole by renaming."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.experiments.mmf_run import terminated_as_interrupted
from refnet_mmf.experiments.real_data.description import DataError, Part


@dataclass(frozen=True)
class Staging:
    """A temporary folder beside the place where its contents will go.

    Attributes:
        datasets: ``<env.data_dir>/datasets``.
        scratch: the temporary folder, on the same file system.
    """

    datasets: Path
    scratch: Path

    @property
    def made(self) -> Path:
        """What will be ``datasets``, as far as it is made."""
        return self.scratch / "datasets"

    def fresh(self, path: str) -> Path:
        """Return where to make what will stand at ``path`` of ``datasets``; its folder is there."""
        file = self.made / path
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def put(self, part: Part) -> None:
        """Move a part to its place, where nothing but an empty folder may be.

        Raises:
            OSError: something else is there.
        """
        target = self.datasets / part.folder
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.made / part.folder).rename(target)


@contextmanager
def staging(data_dir: Path) -> Iterator[Staging]:
    """Make the temporary folder below ``data_dir``, and remove it at the end.

    A ``data_dir`` that was not there is removed too, if nothing was put into it.
    """
    is_new = not data_dir.exists()
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with (
            terminated_as_interrupted(),
            tempfile.TemporaryDirectory(dir=data_dir, prefix=".refnet-convert-") as scratch,
        ):
            yield Staging(data_dir / "datasets", Path(scratch))
    finally:
        if is_new and not any(data_dir.iterdir()):
            data_dir.rmdir()


def check_inside(data_dir: Path, part: Part) -> None:
    """Check that what is written to a part stays below ``data_dir``.

    Raises:
        DataError: a link would lead it out.
    """
    target = data_dir / "datasets" / part.folder
    if not target.resolve().is_relative_to(data_dir.resolve()):
        raise DataError(f"{target}: is, or lies in, a link that leads out of {data_dir}")


def is_there(data_dir: Path, part: Part) -> bool:
    """Whether a part's place is taken: there is something, and not merely an empty folder."""
    target = data_dir / "datasets" / part.folder
    return target.exists() and not (target.is_dir() and not any(target.iterdir()))
