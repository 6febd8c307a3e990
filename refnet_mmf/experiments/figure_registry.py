"""The figures that ``refnet figure`` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.figure import Figure

from refnet_mmf.experiments.plain_table import Table


class FigureEntry(NamedTuple):
    """A figure of the paper.

    Its module has ``add_arguments(parser)``, for its options (beside ``--out`` and ``--seeds``,
    unless it is drawn from runs), and ``make(args) -> DrawnFigure``, which computes and draws. One
    that is drawn from runs has ``DEFAULTS`` too, and makes None where it only printed commands.
    """

    title: str
    help: str
    module: str
    on_runs: bool = False


@dataclass(frozen=True)
class DrawnFigure:
    """A figure and the numbers in it.

    Attributes:
        picture: the drawing.
        columns: names of the plotted numbers.
        rows: the plotted numbers.
        table: a short extract for the terminal.
        notes: what a reader must know before any number.
        lines: numbers beside the picture, as the files tell them; the terminal shows the table.
        failures: how many of the runs that it is drawn from have failed.
    """

    picture: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    table: Table
    notes: Sequence[str]
    lines: Sequence[str] = ()
    failures: int = 0


FIGURES = {
    "4": FigureEntry(
        "Change of the scores with the weight of the refiner",
        "sweep over gamma; gamma 0 is the baseline (section 4.2)",
        "refnet_mmf.experiments.run_figures.gamma_sweep",
        on_runs=True,
    ),
    "5": FigureEntry(
        "Fused embeddings by class and by modality, t-SNE",
        "t-SNE of baseline, ReFNet and ReFNetMS on the test split (section 4.3)",
        "refnet_mmf.experiments.run_figures.embedding_map",
        on_runs=True,
    ),
    "7": FigureEntry(
        "Scores by the part of the training data with labels",
        "label efficiency of baseline, ReFNet and ReFNetMS (A.1, A.3)",
        "refnet_mmf.experiments.run_figures.label_efficiency",
        on_runs=True,
    ),
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
    "10": FigureEntry(
        "Convergence of the losses",
        "each loss by update, from the logs of the runs (A.7)",
        "refnet_mmf.experiments.run_figures.loss_curves",
        on_runs=True,
    ),
}
