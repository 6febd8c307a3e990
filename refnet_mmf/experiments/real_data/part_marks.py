"""The marks of a real data set's parts, by which MMF knows that it need not download them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from refnet_mmf.experiments.mmf_zoo import MARK, mark_folder, zoo_entry
from refnet_mmf.experiments.real_data.description import Part


def wanted_parts(parts: Iterable[Part]) -> list[Part]:
    """Return those of ``parts`` that the installed MMF wants marked."""
    return [part for part in parts if part.name in zoo_entry(part.zoo).parts]


def read_mark(datasets: Path, part: Part) -> object:
    """Return the version in a part's mark; None where there is no mark that can be read."""
    try:
        return json.loads((datasets / part.marked_folder / MARK).read_bytes()).get("version")
    except (OSError, ValueError, AttributeError):
        return None


def write_mark(datasets: Path, part: Part) -> None:
    """Mark a part as complete for the MMF that is installed."""
    mark_folder(datasets / part.marked_folder, part.zoo)
