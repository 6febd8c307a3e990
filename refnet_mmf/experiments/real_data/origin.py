"""Where the files of a data set come from, and how many rows they should have therefore."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refnet_mmf.experiments.real_data.description import AnnotationFile, DataError, DataSet
from refnet_mmf.experiments.real_data.json_rows import read_object
from refnet_mmf.paths import MANIFEST

RECORD = "conversion.json"
"""Beside the annotations: what 'refnet data convert' left out."""

ANY_NUMBER = range(1, 2**40)


@dataclass(frozen=True)
class Origin:
    """Where the files of a data set come from.

    Attributes:
        miniature: the manifest of a generated set; None: a real one.
        left_out: for each split how many rows a conversion left out; None: not known.
        own: another data set in the same form, with rows, classes and features of its own.
    """

    miniature: Mapping[str, Any] | None = None
    left_out: Mapping[str, int] | None = None
    own: bool = False

    @property
    def published(self) -> bool:
        """Whether it should be what has been published under the name."""
        return self.miniature is None and not self.own

    def __str__(self) -> str:
        if self.own:
            return "data of your own in this form"
        if self.miniature is not None:
            told = ", ".join(f"{key} {self.miniature.get(key)}" for key in ("size", "seed"))
            return f"MINIATURE, generated ({told}), not the real data set"
        return "real" if self.left_out is None else "real, converted by refnet data convert"

    def rows(self, data_set: DataSet, file: AnnotationFile) -> tuple[range, ...]:
        """Return the numbers of rows that a file may have."""
        if self.own:
            return (ANY_NUMBER,)
        if self.miniature is not None:
            count = self.miniature["counts"][file.split]
            return (range(count, count + 1),)
        least, most = data_set.may_lack, 0
        if self.left_out is not None:
            least = most = data_set.published_with_left_out * self.left_out.get(file.split, 0)
        return tuple(range(rows - least, rows - most + 1) for rows in file.rows)

    def sha256(self, file: AnnotationFile) -> str | None:
        """Return the hash that a file had when it was generated; None if none was kept."""
        hashes = (self.miniature or {}).get("annotations_sha256", {})
        return hashes.get(file.split) if isinstance(hashes, dict) else None


def origin_of(data_set: DataSet, data_dir: Path) -> Origin:
    """Tell whether a set is real or generated, and what was left out of it.

    Raises:
        DataError: the folder holds the miniature set of another name, or what describes the set
            can't be read.
    """
    manifest = data_dir / MANIFEST
    if manifest.exists():
        miniature = read_object(manifest, str(manifest))
        if miniature.get("name") != data_set.name:
            raise DataError(
                f"{data_dir}: holds the MINIATURE set {miniature.get('name')!r}, "
                f"not {data_set.name!r}"
            )
        counts = miniature.get("counts")
        splits = {file.split for file in data_set.files.values()}
        if not isinstance(counts, dict) or not all(_is_count(counts.get(s)) for s in splits):
            raise DataError(f"{manifest}: counts: expected a number for each of {sorted(splits)}")
        return Origin(miniature=miniature)
    record = data_dir / "datasets" / data_set.annotations / RECORD
    if not record.exists():
        return Origin()
    left_out = read_object(record, str(record)).get("left_out")
    if not isinstance(left_out, dict) or not all(_is_count(n) for n in left_out.values()):
        raise DataError(f"{record}: left_out: expected a number for each split, got {left_out!r}")
    return Origin(left_out=left_out)


def write_record(
    file: Path, source: str, rows: Mapping[str, int], left_out: Mapping[str, int]
) -> None:
    """Write what a conversion did beside the annotations that it made."""
    record = {"from": source, "rows": rows, "left_out": left_out}
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def describe(allowed: tuple[range, ...]) -> str:
    """Word the numbers of rows that a file may have."""
    if ANY_NUMBER in allowed:
        return "any number of rows"
    told = [
        f"{numbers[-1]:,}" + (f" (up to {len(numbers) - 1} fewer)" if len(numbers) > 1 else "")
        for numbers in allowed
    ]
    return " or ".join(told) + " rows"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
