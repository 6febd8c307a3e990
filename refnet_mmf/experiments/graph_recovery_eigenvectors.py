"""Figure 9: eigenvectors of the hidden adjacency matrix and of the recovered one."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from refnet_mmf.experiments.figure_registry import DrawnFigure
from refnet_mmf.experiments.graph_recovery import (
    WEIGHTS,
    WIDTHS,
    Matrix,
    compact,
    draw,
    leading_eigenvectors,
    leading_weights,
    recover,
)
from refnet_mmf.experiments.line_figure import Line, draw_lines
from refnet_mmf.experiments.one_line_parser import positive_number
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.spread import mean_and_spread

SHOWN = 3
"""How many eigenvectors are compared."""

SIXTEENTHS = (4, 8, 12, 15, 16)
"""The ranks k of the table, in sixteenths of m."""

DRAWN = (8, 15, 16)
"""Those of them that are drawn."""

COLUMNS = ("weights", "eigenvector", "position", "A", *(f"A_hat_{part}_16" for part in DRAWN))


Comparison = tuple[Matrix, Mapping[tuple[str, int], Matrix]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of figure 9."""
    parser.add_argument(
        "--modalities",
        type=positive_number,
        default=64,
        metavar="M",
        help="size m of the graph (64)",
    )


def make(args: argparse.Namespace) -> DrawnFigure:
    """Compare eigenvectors: mean over the draws in the table, the first draw in the picture."""
    m, draws = args.modalities, range(args.seeds)
    if m < 16:
        raise ValueError(f"--modalities: expected at least 16, got {m}")
    with threadpool_limits(1):
        comparisons = [compare(m, seed) for seed in tqdm(draws, unit="draw")]
    hidden, found = comparisons[0]
    names = ["A", *(f"k = {m * part // 16}" for part in DRAWN)]
    panels: dict[str, dict[str, Line]] = {}
    rows: list[tuple[object, ...]] = []
    for weights in WEIGHTS:
        for number in range(SHOWN):
            order = np.argsort(hidden[number])
            curves = [hidden[number], *(found[weights, part][number] for part in DRAWN)]
            entries = [curve[order].tolist() for curve in curves]
            panels[f"{weights} W, eigenvector {number + 1}"] = {
                name: (range(1, m + 1), line) for name, line in zip(names, entries, strict=True)
            }
            rows += [
                (weights, number + 1, place, *values)
                for place, values in enumerate(zip(*entries, strict=True), 1)
            ]
    return DrawnFigure(
        picture=draw_lines(
            panels,
            "modality, sorted by the entry of A's eigenvector",
            names,
            y_label="entry",
            columns=SHOWN,
            dotted=names[1:],
        ),
        columns=COLUMNS,
        rows=rows,
        table=_table(m, comparisons),
        notes=[
            f"Generated matrices, no data set: m = {m}, d = {WIDTHS[0]} m. Eigenvectors of the "
            "symmetric part of A_hat, by absolute eigenvalue; the absolute cosine of two "
            f"directions drawn at random is {math.sqrt(2 / (math.pi * m)):.2f}. The picture shows "
            f"the first of {len(draws)} draws, with the sign that fits A's; every line is sorted "
            "as A's is.",
        ],
    )


def compare(modalities: int, seed: int) -> Comparison:
    """Recover the graph of one draw for all weights and ranks.

    Args:
        modalities: m, at least 16.
        seed: of the draw.

    Returns:
        The leading eigenvectors of A, [SHOWN, m], and, by weights and sixteenths of m, those of
        A_hat with the sign that fits.
    """
    drawn = draw(modalities, WIDTHS[0] * modalities, seed)
    small = compact(drawn.features)
    hidden = leading_eigenvectors(drawn.adjacency, SHOWN)
    weights = dict(
        zip(WEIGHTS, (drawn.weights, leading_weights(drawn.adjacency, small)), strict=True)
    )
    found = {}
    for name in WEIGHTS:
        for part in SIXTEENTHS:
            kept = weights[name][: modalities * part // 16]
            vectors = leading_eigenvectors(recover(kept, drawn.adjacency, small), SHOWN)
            found[name, part] = vectors * np.sign(_cosines(vectors, hidden))[:, None]
    return hidden, found


def _cosines(vectors: Matrix, others: Matrix) -> Matrix:
    cosines: Matrix = np.einsum("nm,nm->n", vectors, others)
    return cosines


def _table(modalities: int, comparisons: Sequence[Comparison]) -> Table:
    rows = []
    for weights in WEIGHTS:
        for number in range(SHOWN):
            cells = []
            for part in SIXTEENTHS:
                cosines = [
                    float(_cosines(found[weights, part], hidden)[number])
                    for hidden, found in comparisons
                ]
                mean, spread = mean_and_spread(cosines)
                cells.append(f"{mean:.3f}" if math.isnan(spread) else f"{mean:.3f} +- {spread:.3f}")
            rows.append([f"{weights} W, eigenvector {number + 1}", *cells])
    header = ["", *(f"k = {modalities * part // 16}" for part in SIXTEENTHS)]
    caption = (
        f"Absolute cosine of the recovered eigenvector with A's, mean of {len(comparisons)} draws"
    )
    return Table(caption, header, rows)
