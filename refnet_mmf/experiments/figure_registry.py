"""The figures that ``refnet figure`` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.figure import Figure

from refnet_mmf.experiments.page import Table


class FigureEntry(NamedTuple):
    """A figure of the paper.

    Its module has ``add_arguments(parser)``, for options beside those that every figure has, and
    ``make(args) -> DrawnFigure``, which computes and draws.
    """

    title: str
    help: str
    module: str


@dataclass(frozen=True)
class DrawnFigure:
    """A figure and the numbers in it.

    Attributes:
        picture: the drawing.
        columns: names of the plotted numbers.
        rows: the plotted numbers.
        table: a short extract for the terminal.
        notes: what a reader must know before any number.
    """

    picture: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    table: Table
    notes: Sequence[str]


FIGURES = {
    "8": FigureEntry(
        "Recovery of a hidden graph from linear fusion",
        "error of the recovered adjacency matrix by rank of the fused embedding (A.4, A.6)",
        "refnet_mmf.experiments.graph_recovery_error",
    ),
    "9": FigureEntry(
        "Eigenvectors of a hidden graph and of the recovered one",
        "leading eigenvectors of the recovered adjacency matrix (A.6)",
        "refnet_mmf.experiments.graph_recovery_eigenvectors",
    ),
}
