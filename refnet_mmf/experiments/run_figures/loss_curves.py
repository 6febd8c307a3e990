"""Figure 10: each loss by update, from the logs of the runs."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from refnet_mmf.experiments.experiment_names import MOVIES, NAMES, TITLES, VARIANTS
from refnet_mmf.experiments.figure_registry import DrawnFigure
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.grid.runner import failure_notes
from refnet_mmf.experiments.grid.statistics import Summary, summarize
from refnet_mmf.experiments.line_figure import Line, draw_lines
from refnet_mmf.experiments.mmf_log import Progress, curve
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.run_figures.choices import (
    DATA_SETS,
    Defaults,
    add_choices,
    read_name,
    read_percents,
)
from refnet_mmf.experiments.run_figures.figure_runs import FigureRuns, run_cells
from refnet_mmf.experiments.run_figures.label_efficiency import method_name
from refnet_mmf.experiments.tables.paper_tables import label_cell
from refnet_mmf.experiments.tables.score_table import spell

DEFAULTS = Defaults((MOVIES,), ("vilbert",))
LABELS = "10,20,100"
CLASSIFICATION = ("cross_entropy", "logit_bce")
OURS = {
    "refiner, text": "refiner_text_unweighted",
    "refiner, image": "refiner_image_unweighted",
    "multi-similarity": "metric_loss_unweighted",
}
"""Our losses as MMF logs them, before gamma and zeta."""

WINDOW = 20
"""How many of the batches that it looked at MMF's log takes the median of."""

DIGITS = 4
"""Those that MMF logs."""

SHOWN = (0.0, 0.25, 0.5, 1.0)
"""The parts of the training whose losses the table shows."""

COLUMNS = ("data_set", "labels_percent", "loss", "method", "update", "mean", "std", "runs")


@dataclass(frozen=True)
class Curve:
    """A loss of a method, over seeds.

    Attributes:
        percent: of the training data, the part with labels.
        loss: which.
        method: whose.
        points: by update.
    """

    percent: float
    loss: str
    method: str
    points: dict[int, Summary]

    @property
    def line(self) -> Line:
        """What is drawn."""
        points = self.points.values()
        return [*self.points], [p.mean for p in points], [p.std for p in points]

    def at(self, part: float) -> Summary:
        """Return the point nearest to a part of the training, 0..1."""
        wanted = part * max(self.points)
        return self.points[min(self.points, key=lambda update: abs(update - wanted))]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of figure 10."""
    parser.add_argument(
        "--labels", default=LABELS, metavar="P,P", help=f"per cent of the labels ({LABELS})"
    )
    add_choices(parser, DEFAULTS)


def make(args: argparse.Namespace) -> DrawnFigure | None:
    """Run what is not finished, and draw each loss by update."""
    percents = read_percents("--labels", args.labels)
    data_set = read_name("--data-set", "data set", args.data_set, DATA_SETS)
    model = read_name("--model", "model", args.model, NAMES)
    runs = run_cells(
        [label_cell(data_set, model, variant, p) for p in percents for variant in VARIANTS], args
    )
    if runs is None:
        return None
    logs = {job: job.run.progress() for job in runs.results}
    curves = loss_curves(runs, logs, data_set, model, percents)
    if not curves:
        first = next(iter(runs.results)).run.log
        raise GridError(f"{first}: no line of training; nor is there one in the logs of the others")
    without_lines = {
        job: f"no line of training in {job.run.log}: results that were moved have no logs; remove "
        "its folder, and it is run again"
        for job, log in logs.items()
        if not log
    }
    panels: dict[str, dict[str, Line]] = defaultdict(dict)
    for found in sorted(curves, key=lambda found: [*_keys(data_set)].index(found.loss)):
        panels[f"{found.loss}, {found.percent:g} % labels"][found.method] = found.line
    parts = len({found.percent for found in curves})
    picture = draw_lines(
        panels,
        "update",
        [method_name(variant, model) for variant in VARIANTS],
        y_label="loss",
        columns=parts if parts > 1 else 2,
    )
    picture.suptitle(runs.heading(f"{TITLES[data_set]}, losses in training"))
    return DrawnFigure(
        picture=picture,
        columns=COLUMNS,
        rows=[
            (data_set, c.percent, c.loss, c.method, update, point.mean, point.std, point.count)
            for c in curves
            for update, point in c.points.items()
        ],
        table=_table(curves, data_set),
        notes=[
            *runs.notes,
            f"Mean over seeds of what MMF's log shows: the median of the last {WINDOW} batches "
            "that it looked at, one in training.log_interval, so that a curve comes late by half "
            f"of that; of a run that was resumed the {WINDOW - 1} lines after it are left out. "
            "The shading is one standard deviation to either side. Refiner and multi-similarity "
            "are shown before gamma and zeta. The total is the sum of what each method trains, "
            "weighted: totals of different methods have different terms.",
            *failure_notes(without_lines),
        ],
        failures=runs.failures + len(without_lines),
    )


def loss_curves(
    runs: FigureRuns,
    logs: Mapping[Job, Sequence[Progress]],
    data_set: str,
    model: str,
    percents: Sequence[float],
) -> list[Curve]:
    """Read the losses from the logs; a loss that a method does not have is left out."""
    curves = []
    for percent in percents:
        for variant in VARIANTS:
            jobs = runs.jobs(label_cell(data_set, model, variant, percent))
            for loss, keys in _keys(data_set).items():
                values: dict[int, list[float]] = defaultdict(list)
                for job, key in product(jobs, keys):
                    for update, value in zip(*curve(logs[job], key, WINDOW), strict=True):
                        values[update].append(value)
                if values:
                    points = {update: summarize(values[update]) for update in sorted(values)}
                    curves.append(Curve(percent, loss, method_name(variant, model), points))
    return curves


def _keys(data_set: str) -> dict[str, list[str]]:
    """Return by loss the keys that MMF logs it under; a run has one of them at most."""
    return {
        "total": ["train/total_loss"],
        "classification": [f"train/{data_set}/{name}" for name in CLASSIFICATION],
        **{loss: [f"train/{data_set}/{name}"] for loss, name in OURS.items()},
    }


def _table(curves: Sequence[Curve], data_set: str) -> Table:
    header = ["", "method", *("first" if part == 0 else f"{100 * part:.0f} %" for part in SHOWN)]
    rows = [
        [
            f"{loss}, {found.percent:g} % labels",
            found.method,
            *(spell(found.at(part), DIGITS) for part in SHOWN),
        ]
        for loss in _keys(data_set)
        for found in curves
        if found.loss == loss
    ]
    return Table("Figure 10. Losses on the training data, by part of the training", header, rows)
