"""Figure 7: scores against the part of the training data that has labels."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence

from matplotlib.ticker import NullLocator

from refnet_mmf.experiments.experiment_names import MEMES, MOVIES, NAMES, SPLITS, TITLES, VARIANTS
from refnet_mmf.experiments.figure_registry import DrawnFigure
from refnet_mmf.experiments.grid.statistics import summarize
from refnet_mmf.experiments.line_figure import Line, draw_lines
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.run_figures.choices import (
    DATA_SETS,
    Defaults,
    add_choices,
    read_name,
    read_names,
    read_percents,
)
from refnet_mmf.experiments.run_figures.figure_runs import FigureRuns, run_cells
from refnet_mmf.experiments.run_figures.measures import columns_of
from refnet_mmf.experiments.tables.paper_tables import label_cell
from refnet_mmf.experiments.tables.score_table import (
    COMPARISON,
    Column,
    Scores,
    compare_scores,
    count_of,
    of_shared_seeds,
    spell,
    spell_comparison,
)

DEFAULTS = Defaults((MEMES, MOVIES), ("vilbert",))
LABELS = "5,10,20,100"
COLUMNS = (
    *("data_set", "split", "metric", "method", "labels_percent", "mean", "std", "runs"),
    *("difference_to_baseline", "pairs"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of figure 7."""
    parser.add_argument(
        "--labels", default=LABELS, metavar="P,P", help=f"per cent of the labels ({LABELS})"
    )
    add_choices(parser, DEFAULTS)


def make(args: argparse.Namespace) -> DrawnFigure | None:
    """Run what is not finished, and draw each metric of both splits by the part with labels."""
    percents = read_percents("--labels", args.labels)
    data_sets = read_names("--data-set", "data set", args.data_set, DATA_SETS)
    model = read_name("--model", "model", args.model, NAMES)
    columns = [column for data_set in data_sets for column in columns_of(data_set)]
    runs = run_cells(
        [
            label_cell(data_set, model, variant, percent)
            for data_set in data_sets
            for percent in percents
            for variant in VARIANTS
        ],
        args,
        columns,
    )
    if runs is None:
        return None
    picture = draw_lines(
        {_title(column): _lines(runs, column, model, percents) for column in columns},
        "per cent of the training data with labels",
        [method_name(variant, model) for variant in VARIANTS],
        y_label="per cent",
        columns=2,
    )
    for axis in picture.axes:
        axis.set_xscale("log")
        axis.set_xticks(percents, [f"{percent:g}" for percent in percents])
        axis.xaxis.set_minor_locator(NullLocator())
    picture.suptitle(runs.heading("scores by the part of the data with labels"))
    return DrawnFigure(
        picture=picture,
        columns=COLUMNS,
        rows=_rows(runs, columns, model, percents),
        table=_table(runs, columns, model, percents),
        notes=[
            *runs.notes,
            "Mean over the seeds that all methods have with that part of the labels, the shading "
            "is one standard deviation to either side. The samples without labels still feed the "
            "refiner.",
        ],
        failures=runs.failures,
    )


def method_name(variant: str, model: str) -> str:
    """Name a method, as in the tables."""
    return VARIANTS[variant] + NAMES[model]


def _title(column: Column) -> str:
    return f"{TITLES[column.data_set]}, {column.title} {SPLITS[column.split]}"


def _lines(
    runs: FigureRuns, column: Column, model: str, percents: Sequence[float]
) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    found = _scores(runs, column, model, percents)
    for variant in VARIANTS:
        points = [
            (percent, summarize(list(own[variant].values()))) for percent, own in found.items()
        ]
        there = [(percent, point) for percent, point in points if point.count]
        if there:
            lines[method_name(variant, model)] = (
                [percent for percent, _ in there],
                [point.mean for _, point in there],
                [point.std for _, point in there],
            )
    return lines


def _scores(
    runs: FigureRuns, column: Column, model: str, percents: Sequence[float]
) -> dict[float, defaultdict[str, Scores]]:
    """Return a column's values by part of the labels and variant.

    Those of a part are of the seeds that all variants have with it.
    """
    return {
        percent: defaultdict(
            dict,
            of_shared_seeds(
                {
                    variant: runs.scores(
                        label_cell(column.data_set, model, variant, percent), column
                    )
                    for variant in VARIANTS
                }
            ),
        )
        for percent in percents
    }


def _rows(
    runs: FigureRuns, columns: Sequence[Column], model: str, percents: Sequence[float]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for column in columns:
        found = _scores(runs, column, model, percents)
        for variant in VARIANTS:
            for percent, own in found.items():
                score = summarize(list(own[variant].values()))
                against = compare_scores(own[variant], own["baseline"])
                place = (column.data_set, column.split, column.title, method_name(variant, model))
                rows.append(
                    (
                        *(*place, percent, score.mean, score.std, score.count),
                        *(against.difference, against.count),
                    )
                )
    return rows


def _table(
    runs: FigureRuns, columns: Sequence[Column], model: str, percents: Sequence[float]
) -> Table:
    """Show scores, and differences to the baseline, paired over seeds."""
    rows, made = [], []
    for column in columns:
        for percent, own in _scores(runs, column, model, percents).items():
            for variant in VARIANTS:
                score = summarize(list(own[variant].values()))
                row = [f"{_title(column)} {percent:g} %", method_name(variant, model), spell(score)]
                if variant == "baseline":
                    rows.append([*row, *[""] * len(COMPARISON)])
                else:
                    compared = compare_scores(own[variant], own["baseline"])
                    rows.append([*row, *spell_comparison(compared)])
                    made.append(compared)
    header = ["", "method", "score", *COMPARISON]
    return Table(
        f"Figure 7. Scores in per cent, differences to the baseline in points, paired over seeds: "
        f"{count_of(made)} comparisons, p of each by itself",
        header,
        rows,
    )
