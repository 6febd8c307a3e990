"""Figure 4: change of the scores with gamma, the weight of the refiner; gamma 0 is the baseline."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from refnet_mmf.experiments.experiment_names import MEMES, MOVIES, NAMES, SPLITS, TITLES
from refnet_mmf.experiments.figure_registry import DrawnFigure
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.grid.statistics import Summary, summarize
from refnet_mmf.experiments.line_figure import Line, draw_lines
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.run_figures.choices import (
    DATA_SETS,
    Defaults,
    add_choices,
    read_names,
    read_numbers,
)
from refnet_mmf.experiments.run_figures.figure_runs import FigureRuns, run_cells
from refnet_mmf.experiments.run_figures.measures import columns_of
from refnet_mmf.experiments.tables.paper_tables import gamma_cell
from refnet_mmf.experiments.tables.score_table import Column, spell

DEFAULTS = Defaults((MEMES, MOVIES), ("vilbert", "mmbt"))
GAMMAS = "0,0.05,0.1,0.2,0.3"
COLUMNS = (
    *("data_set", "model", "split", "metric", "gamma", "mean", "std", "runs"),
    *("relative_change_mean", "relative_change_std", "pairs"),
)


@dataclass(frozen=True)
class Point:
    """A score with one gamma.

    Attributes:
        gamma: the weight of both modalities' losses.
        score: in per cent, over seeds.
        change: to gamma 0 with the same seed, in per cent of the score there.
        compared: mean score over the seeds that all gammas have; NaN where there are none.
    """

    gamma: float
    score: Summary
    change: Summary
    compared: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of figure 4."""
    parser.add_argument(
        "--gammas",
        default=GAMMAS,
        metavar="G,G",
        help=f"weights of the refiner; 0, the baseline, is always one ({GAMMAS})",
    )
    add_choices(parser, DEFAULTS)


def make(args: argparse.Namespace) -> DrawnFigure | None:
    """Run the sweep, and draw each metric's relative change on the test split."""
    gammas = sorted({0.0, *read_numbers("--gammas", args.gammas)})
    data_sets = read_names("--data-set", "data set", args.data_set, DATA_SETS)
    models = read_names("--model", "model", args.model, NAMES)
    runs = run_cells(
        [gamma_cell(data, model, g) for data in data_sets for model in models for g in gammas],
        args,
        [column for data_set in data_sets for column in columns_of(data_set)],
    )
    if runs is None:
        return None
    curves = {
        (column, model): sweep(runs, column, model, gammas)
        for data_set in data_sets
        for column in columns_of(data_set)
        for model in models
    }
    if not any(point.change.count for points in curves.values() for point in points):
        raise GridError("no run with gamma 0 is finished: there is nothing to compare with")
    names = [NAMES[model] for model in models]
    panels: dict[str, dict[str, Line]] = {}
    for (column, model), points in curves.items():
        if column.split == "test":
            title = f"{TITLES[column.data_set]}, {column.title}"
            panels.setdefault(title, {})[NAMES[model]] = _line(points)
    picture = draw_lines(
        panels,
        "gamma",
        names,
        y_label="relative change on the test split, %",
        columns=2,
        level=0,
        ticks=gammas,
    )
    picture.suptitle(runs.heading("change with the weight of the refiner"))
    return DrawnFigure(
        picture=picture,
        columns=COLUMNS,
        rows=[
            (
                *(column.data_set, model, column.split, column.title),
                *(point.gamma, point.score.mean, point.score.std, point.score.count),
                *(point.change.mean, point.change.std, point.change.count),
            )
            for (column, model), points in curves.items()
            for point in points
        ],
        table=_table(curves, gammas),
        notes=[
            *runs.notes,
            "Relative change: (score - score with gamma 0 and the same seed) / the latter, in per "
            "cent; mean over seeds, the shading is one standard deviation to either side. gamma "
            "weighs the losses of both modalities; gamma 0 is the stock network. Nothing here is "
            "chosen by the test split.",
        ],
        failures=runs.failures,
    )


def sweep(runs: FigureRuns, column: Column, model: str, gammas: Sequence[float]) -> list[Point]:
    """Return a metric's points, as far as there are runs."""
    found = {
        gamma: runs.scores(gamma_cell(column.data_set, model, gamma), column) for gamma in gammas
    }
    there = [scores for scores in found.values() if scores]
    shared = set.intersection(*map(set, there)) if there else set()
    baseline = found[0]
    points = []
    for gamma, own in found.items():
        pairs = [seeds for seeds in own if baseline.get(seeds, 0) > 0]
        changes = [100 * (own[seeds] / baseline[seeds] - 1) for seeds in pairs]
        points.append(
            Point(
                gamma,
                summarize(list(own.values())),
                summarize(changes),
                summarize([own[seeds] for seeds in sorted(shared)] if own else []).mean,
            )
        )
    return points


def _line(points: Sequence[Point]) -> Line:
    return (
        [point.gamma for point in points],
        [point.change.mean for point in points],
        [point.change.std for point in points],
    )


def _table(curves: dict[tuple[Column, str], list[Point]], gammas: Sequence[float]) -> Table:
    """Show scores without REFINER, changes with it, and the gamma that validation would choose."""
    rows = []
    for (column, model), points in curves.items():
        row = [
            f"{TITLES[column.data_set]}, {NAMES[model]}",
            f"{column.title} {SPLITS[column.split]}",
        ]
        rows.append([*row, spell(points[0].score), *(_spell(p.change) for p in points[1:])])
    header = ["", "metric", "gamma 0", *(f"{gamma:g}" for gamma in gammas[1:])]
    chosen = "; ".join(
        f"{TITLES[column.data_set]}, {NAMES[model]}: {_best(points)}"
        for (column, model), points in curves.items()
        if column == columns_of(column.data_set)[0]
    )
    caption = (
        "Figure 4. Scores with gamma 0 in per cent, and with other gammas their relative change in "
        f"per cent.\nThe gamma with the best validation score: {chosen}"
    )
    return Table(caption, header, rows)


def _spell(change: Summary) -> str:
    if change.count == 0:
        return "-"
    spread = "" if math.isnan(change.std) else f" ± {change.std:.2f}"
    return f"{change.mean:+.2f}{spread}"


def _best(points: Sequence[Point]) -> str:
    there = [point for point in points if not math.isnan(point.compared)]
    return f"{max(there, key=lambda point: point.compared).gamma:g}" if there else "-"
