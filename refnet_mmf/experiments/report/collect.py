"""Finds what there is below a folder of results: finished runs, measured times, figures."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from refnet_mmf.experiments.grid.cell import Cell, Job, Scale, jobs_of
from refnet_mmf.experiments.grid.options import data_folder
from refnet_mmf.experiments.grid.runner import Outcome, finished
from refnet_mmf.experiments.tables.training_time import (
    MODELS,
    ROUND,
    Round,
    Times,
    known_times,
    round_folder,
    rounds_of,
    timed_cells,
)
from refnet_mmf.experiments.versions import versions

Seeds = tuple[int, int]
"""Data seed and seed."""


@dataclass(frozen=True)
class Place:
    """Where results are.

    Attributes:
        out: the folder that ``--out`` named.
        scale: ``mini`` or ``paper``.
        data_dir: of the real data; None at ``mini``.
    """

    out: Path
    scale: Scale
    data_dir: Path | None

    def jobs(self, cells: Sequence[Cell], seeds: Iterable[Seeds]) -> list[Job]:
        """Return the jobs of cells with these seeds."""
        jobs = []
        for data_seed, seed in seeds:
            data_dirs = {
                (name, data_seed): self.data_dir or data_folder(self.out, name, data_seed)
                for name in {cell.data_set for cell in cells}
            }
            jobs += jobs_of(cells, self.scale, data_dirs, [seed], self.out / "runs")
        return jobs

    def seeds(self, cell: Cell) -> list[Seeds]:
        """Return the seeds of each run of a cell."""
        return _seeds_below(self.out / "runs" / self.scale / cell.name, "seed-{}")


def _seeds_below(folder: Path, name: str) -> list[Seeds]:
    """Return the seeds of what is called ``name`` in the folders of data seeds."""
    pattern = re.compile(r"data-(\d+)/" + re.escape(name).replace(r"\{\}", r"(\d+)"))
    paths = (path.relative_to(folder).as_posix() for path in folder.glob("data-*/*"))
    matches = (pattern.fullmatch(path) for path in paths)
    return sorted((int(match[1]), int(match[2])) for match in matches if match)


def finished_runs(cells: Iterable[Cell], place: Place) -> Outcome:
    """Return what is finished of these experiments, with whatever seeds.

    Folders of another version, or of another command, are among the failures.
    """
    outcome = Outcome()
    for cell in dict.fromkeys(cells):
        one = finished(place.jobs([cell], place.seeds(cell)))
        outcome.results.update(one.results)
        outcome.failures.update(one.failures)
    return outcome


def measured_rounds(place: Place) -> tuple[list[Round], Times]:
    """Return the rounds of the table of times that are measured, and their times."""
    rounds = []
    for model in MODELS:
        cells = [cell for cell in timed_cells() if cell.model == model]
        found = _seeds_below(round_folder(cells[0], place.out / "runs" / place.scale), ROUND)
        rounds += rounds_of(place.jobs(cells, found))
    return rounds, known_times(rounds)


def figures_below(out: Path, scale: Scale) -> dict[Path, str]:
    """Return the titles of the drawn figures of a scale, and of those of none, by their files."""
    others = tuple(f"_{one}" for one in get_args(Scale) if one != scale)
    drawn = sorted(path for path in out.rglob("figure_*.svg") if _is_below(path, out))
    return {path: _title(path) for path in drawn if not path.stem.endswith(others)}


def _is_below(path: Path, out: Path) -> bool:
    """Tell whether a path is a file of this folder, and no link out of it."""
    return path.is_file() and path.resolve().is_relative_to(out.resolve())


def other_versions_of(svg: Path) -> str:
    """Return the versions that a figure was made by, if they are not these; else nothing.

    Of a picture that does not say by what it was made nothing is known.
    """
    made_by = re.search(r"^Made by (.*)$", _metadata(svg, "description"), re.M)
    if made_by is None:
        return ""
    known = dict(part.rsplit(" ", 1) for part in made_by[1].split(", ") if " " in part)
    same = all(known.get(name, number) == number for name, number in versions().items())
    return "" if same else made_by[1]


def _title(svg: Path) -> str:
    """Return the title in an SVG's metadata; its name, where there is none."""
    return _metadata(svg, "title") or svg.stem


def _metadata(svg: Path, key: str) -> str:
    """Return what an SVG says of itself; an empty text, where it says nothing."""
    text = svg.read_text(encoding="utf-8", errors="replace")
    found = re.search(f"<dc:{key}>(.*?)</dc:{key}>", text, re.S)
    return html.unescape(found[1].strip()) if found else ""
