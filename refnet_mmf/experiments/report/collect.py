"""Finds what there is below a folder of results: finished runs, figures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.experiments.grid.cell import Cell, Scale, jobs_of
from refnet_mmf.experiments.grid.options import data_folder
from refnet_mmf.experiments.grid.runner import Outcome, finished


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


def finished_runs(cells: Iterable[Cell], place: Place) -> Outcome:
    """Return what is finished of these experiments, with whatever seeds.

    Folders of another version, or of another command, are among the failures.
    """
    outcome = Outcome()
    for cell in dict.fromkeys(cells):
        for data_seed, seed in _seeds(place.out / "runs" / place.scale / cell.name):
            data_dir = place.data_dir or data_folder(place.out, cell.data_set, data_seed)
            runs = place.out / "runs"
            jobs = jobs_of(
                [cell], place.scale, {(cell.data_set, data_seed): data_dir}, [seed], runs
            )
            one = finished(jobs)
            outcome.results.update(one.results)
            outcome.failures.update(one.failures)
    return outcome


def _seeds(folder: Path) -> list[tuple[int, int]]:
    """Return data seed and seed of each run of a cell."""
    found = []
    for path in folder.glob("data-*/seed-*"):
        names = re.fullmatch(r"data-(\d+)/seed-(\d+)", path.relative_to(folder).as_posix())
        if names is not None:
            found.append((int(names[1]), int(names[2])))
    return sorted(found)


def figures_below(out: Path) -> dict[str, Path]:
    """Return the drawn figures, by their titles."""
    return {_title(path): path for path in sorted(out.rglob("figure_*.svg"))}


def _title(svg: Path) -> str:
    """Return the title in an SVG's metadata; its name, where there is none."""
    found = re.search(r"<dc:title>(.*?)</dc:title>", svg.read_text(encoding="utf-8"), re.S)
    return found[1].strip() if found else svg.stem
