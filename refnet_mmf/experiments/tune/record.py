"""What a search has come to, in a file that the report reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from refnet_mmf.experiments.grid.run_folder import RunFolderError, read_json, write_json
from refnet_mmf.experiments.plain_table import Table


@dataclass(frozen=True)
class Record:
    """The tables of a search, and what has to be known of them.

    Attributes:
        title: of what it is: data set and model.
        tables: its trials; at the end the choice beside the baseline.
        notes: settings, seeds, versions.
    """

    title: str
    tables: Sequence[Table]
    notes: Sequence[str]


def write_record(record: Record, path: Path) -> None:
    """Write a record as JSON, whole or not at all."""
    write_json(asdict(record), path)


def read_records(folder: Path, scale: str) -> list[Record]:
    """Return the searches of a scale below a folder of results, by the names of their files.

    Raises:
        RunFolderError: a file is damaged.
    """
    return [_read(path) for path in sorted((folder / "tune").glob(f"tune_*_{scale}.json"))]


def _read(path: Path) -> Record:
    found = read_json(path) or {}
    try:
        tables = [Table(**table) for table in found["tables"]]
        return Record(str(found["title"]), tables, [str(note) for note in found["notes"]])
    except (KeyError, TypeError):
        raise RunFolderError(
            f"{path}: holds no search; remove it, and 'refnet tune' writes it again"
        ) from None
