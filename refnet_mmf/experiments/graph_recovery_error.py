"""Figure 8: error of the recovered adjacency matrix against the rank k of the fused embedding."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from refnet_mmf.experiments.figure_registry import DrawnFigure
from refnet_mmf.experiments.graph_recovery import (
    WEIGHTS,
    WIDTHS,
    Recovery,
    count_curves,
    fused_ranks,
    recoveries,
)
from refnet_mmf.experiments.line_figure import Line, draw_lines
from refnet_mmf.experiments.one_line_parser import positive_number
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.spread import mean_and_spread

WHITENED = "whitened, any d"
FEATURES = (*(f"d = {width} m" for width in WIDTHS), WHITENED)
TITLES = {"Gaussian": "Gaussian weights", "leading": "leading singular vectors of A F"}
FIGURE_FILE = "figure_8.csv"
COLUMNS = ("m", "weights", "features", "k", "relative_error_mean", "relative_error_std", "draws")

PROGRESS = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} so far, {remaining} left"

Curves = Mapping[tuple[int, str, str], Mapping[int, Sequence[float]]]
"""By m, weights and features: the draws' errors by k."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of figure 8."""
    parser.add_argument(
        "--modalities",
        type=positive_number,
        nargs="+",
        default=[64, 128, 512],
        metavar="M",
        help="sizes m of the graph (64 128 512)",
    )


def make(args: argparse.Namespace) -> DrawnFigure:
    """Recover all graphs and draw mean and spread of the errors."""
    sizes = sorted(set(args.modalities))
    draws = range(args.seeds)
    curves: dict[tuple[int, str, str], dict[int, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    total = sum(_cost(m, k) * count_curves() for m in sizes for k in fused_ranks(m)) * len(draws)
    # One thread: more of them gain little here, lose much on a busy machine, and round otherwise.
    with threadpool_limits(1), tqdm(total=total, bar_format=PROGRESS, smoothing=0) as bar:
        for m in sizes:
            bar.set_description_str(f"m = {m}")
            for seed in draws:
                for found in recoveries(m, seed):
                    curves[m, found.weights, _features_name(found)][found.fused_rank].append(
                        found.error
                    )
                    bar.update(_cost(m, found.fused_rank))
    panels = {
        f"m = {m}, {TITLES[weights]}": {
            features: _line(curves[m, weights, features]) for features in FEATURES
        }
        for m in sizes
        for weights in WEIGHTS
    }
    return DrawnFigure(
        picture=draw_lines(
            panels,
            "k, rank of the fused embedding",
            FEATURES,
            y_label="relative error of the adjacency matrix",
            columns=len(WEIGHTS),
            share_y=True,
        ),
        columns=COLUMNS,
        rows=[
            (*key, k, *mean_and_spread(errors), len(errors))
            for key, curve in curves.items()
            for k, errors in curve.items()
        ],
        table=_table(curves, sizes),
        notes=[
            "Generated matrices, no data set: graph, features and weights are drawn anew for each "
            f"seed. {_what_is_drawn(len(draws))}"
        ],
    )


def _what_is_drawn(draws: int) -> str:
    if draws == 1:
        return "One draw, no spread."
    return f"Mean of {draws} draws; the shading is one standard deviation to either side."


def _cost(modalities: int, fused_rank: int) -> int:
    """Return what a recovery costs, as far as m and k decide it."""
    return modalities * fused_rank**2


def _features_name(found: Recovery) -> str:
    """Name the features of a recovery: d in multiples of m, or whitened."""
    if found.features_dim is None:
        return WHITENED
    return f"d = {found.features_dim // found.modalities} m"


def _line(curve: Mapping[int, Sequence[float]]) -> Line:
    means, spreads = zip(*map(mean_and_spread, curve.values()), strict=True)
    return list(curve), means, spreads


def _table(curves: Curves, sizes: Sequence[int]) -> Table:
    header = ["", "k = 1", "m/4", "m/2", "7m/8", "m - 1", "m"]
    rows = []
    for m in sizes:
        ranks = (1, m / 4, m / 2, 7 * m / 8, m - 1, m)
        for weights in WEIGHTS:
            for features in (FEATURES[0], WHITENED):
                curve = curves[m, weights, features]
                errors = [_nearest(curve, rank) for rank in ranks]
                rows.append([f"m = {m}, {weights} W, {features}", *(f"{e:.3g}" for e in errors)])
    return Table("Relative error of the recovered adjacency matrix, mean", header, rows)


def _nearest(curve: Mapping[int, Sequence[float]], rank: float) -> float:
    return mean_and_spread(curve[min(curve, key=lambda k: abs(k - rank))])[0]
