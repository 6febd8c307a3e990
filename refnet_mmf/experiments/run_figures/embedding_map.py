"""Figure 5: the fused embeddings in the plane (t-SNE), by class and by modality."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from refnet_mmf.experiments.embed import embed_to_file
from refnet_mmf.experiments.embedding_file import EmbeddingError, EmbeddingFile, read_embeddings
from refnet_mmf.experiments.experiment_names import (
    ENTAILMENT,
    MEMES,
    MODALITIES,
    NAMES,
    TITLES,
    VARIANTS,
)
from refnet_mmf.experiments.figure_registry import DrawnFigure
from refnet_mmf.experiments.file_hash import file_hash
from refnet_mmf.experiments.grid.cell import Cell, Job
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.grid.runner import failure_notes
from refnet_mmf.experiments.grid.statistics import summarize
from refnet_mmf.experiments.one_line_parser import positive_number
from refnet_mmf.experiments.plain_table import Table, as_text
from refnet_mmf.experiments.real_data.known import DATA_SETS
from refnet_mmf.experiments.retrieval import Array, queries_of
from refnet_mmf.experiments.run_figures.choices import Defaults, add_choices, read_name
from refnet_mmf.experiments.run_figures.figure_runs import FigureRuns, run_cells
from refnet_mmf.experiments.run_figures.label_efficiency import method_name
from refnet_mmf.experiments.tables.embedding_measures import check_has_checkpoint
from refnet_mmf.experiments.tables.score_table import spell
from refnet_mmf.plugin.embedding_set import EmbeddingSet

DEFAULTS = Defaults((ENTAILMENT,), ("vilbert",))
ONE_CLASS = (MEMES, ENTAILMENT)
"""The data sets whose samples have one class each."""

FUSED = "fused embedding"
VIEWS = {FUSED: None, "one modality alone, fused": "fused", "before the fusion": "padded"}
"""By view, the form of `queries_of` that gives its points; None: the fused embeddings."""

NEIGHBOURS = 10
PERPLEXITY = 30.0
MARKERS = (("o", "#222222"), ("^", "#2f7fc1"), ("s", "#f0a860"))
"""By class; the colours are dark, middle and light in greyscale too."""

OF_ANY_CLASS = {"marker": "P", "color": "#808080"}

LAYERS = 20
"""The points are drawn in so many parts, class by class, lest one class hide the others."""

MEASURES = (
    *("silhouette by class", "silhouette by modality", "silhouette by both"),
    f"{NEIGHBOURS} nearest of the class, %",
)
COLUMNS = ("view", "method", "data_seed", "seed", "id", "modality", "class", "x", "y")


@dataclass(frozen=True)
class Cloud:
    """Points of a view.

    Attributes:
        ids: [P] of the samples.
        points: [P, F].
        classes: [P], indices.
        modalities: [P], indices of `MODALITIES`; -1: both, fused.
    """

    ids: Array
    points: Array
    classes: Array
    modalities: Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of figure 5."""
    parser.add_argument(
        "--samples",
        type=positive_number,
        default=1000,
        metavar="N",
        help="of the test split, drawn at random where there are more (1000)",
    )
    add_choices(parser, DEFAULTS, ONE_CLASS)


def make(args: argparse.Namespace) -> DrawnFigure | None:
    """Run what is not finished, embed the test split, draw the first seed's embeddings."""
    data_set = read_name("--data-set", "data set with one class a sample", args.data_set, ONE_CLASS)
    model = read_name("--model", "model", args.model, NAMES)
    cells = {method_name(variant, model): Cell(data_set, model, variant) for variant in VARIANTS}
    runs = run_cells(list(cells.values()), args, reads_data=True)
    if runs is None:
        return None
    drawn: dict[tuple[str, str], tuple[Job, Cloud, Array]] = {}
    numbers: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    failures: dict[Job, str] = {}
    with threadpool_limits(1):  # the same picture, however many processors there are
        for method, cell in cells.items():
            for job in runs.jobs(cell):
                try:
                    embeddings = sample(embeddings_of(job), args.samples)
                except (ValueError, OSError) as error:
                    failures[job] = str(error)
                    continue
                for view in VIEWS:
                    found = cloud(embeddings, view)
                    numbers.setdefault((view, method), []).append(measures(found))
                    if (view, method) not in drawn:
                        drawn[view, method] = job, found, to_plane(found.points)
    if not drawn:
        raise GridError(f"no run's embeddings can be drawn; {failure_notes(failures)[0]}")
    names = class_names(data_set)
    first = next(found for _, found, _ in drawn.values())
    table = _table(numbers, chance_of_class(first.classes))
    return DrawnFigure(
        picture=_draw(runs, drawn, names, data_set),
        columns=COLUMNS,
        rows=[
            (view, method, job.data_seed, job.seed, *row)
            for (view, method), (job, found, plane) in drawn.items()
            for row in _rows(found, plane, names)
        ],
        table=table,
        notes=[
            *runs.notes,
            f"Test split, best checkpoints, {_count(drawn)} samples; the picture shows each "
            "method's first seed that has embeddings, the numbers are means over seeds, measured "
            "by cosine in the full space and not in the picture. One modality alone, fused: the "
            "network's fused embedding with the other modality taken away. Before the fusion: the "
            "features that the refiner has to give back, padded with zeros or cut to the width of "
            "the fused embedding. Silhouette: 1 is groups far apart, 0 none, below 0 mixed. "
            "Distances between clusters of a t-SNE mean nothing.",
            *failure_notes(failures),
        ],
        lines=as_text(table).splitlines(),
        failures=runs.failures + len(failures),
    )


def embeddings_of(job: Job) -> EmbeddingFile:
    """Return the test split's embeddings by a run's best checkpoint, kept in the run's folder.

    Raises:
        ValueError: one line: the checkpoint or the data can't be used.
    """
    path = job.run.folder / "test.npz"
    found = _known_embeddings(path)
    if found is not None:
        return found
    check_has_checkpoint(job.run.folder)
    return embed_to_file(job.run.folder, "test", path, data_dir=job.data_dir, force=True)


def _known_embeddings(path: Path) -> EmbeddingFile | None:
    """Return what a file holds; None: it is not there, is damaged, or is an older checkpoint's."""
    try:
        found = read_embeddings(path)
    except EmbeddingError:
        return None
    checkpoint = path.parent / str(found.about["checkpoint"])
    if checkpoint.is_file() and file_hash(checkpoint) != found.about["checkpoint_sha256"]:
        return None
    return found


def sample(file: EmbeddingFile, count: int) -> EmbeddingSet:
    """Return the labelled samples, at most ``count``: the same ones for each method and seed.

    Raises:
        GridError: none has a label.
    """
    embeddings = file.embeddings
    rows = np.flatnonzero(embeddings.labelled())
    if embeddings.labels is None or len(rows) == 0:
        raise GridError(f"{file.path}: no sample of the test split has a label")
    if len(rows) > count:
        rows = np.sort(np.random.default_rng(0).choice(rows, count, replace=False))
    return EmbeddingSet(
        embeddings.ids[rows],
        embeddings.fused[rows],
        {name: points[rows] for name, points in embeddings.features.items()},
        {name: points[rows] for name, points in embeddings.queries.items()},
        embeddings.labels[rows],
    )


def cloud(embeddings: EmbeddingSet, view: str) -> Cloud:
    """Return the points of a view: a point a sample, or one for each modality of it."""
    form = VIEWS[view]
    labels = np.asarray(embeddings.labels)
    if form is None:
        return Cloud(embeddings.ids, embeddings.fused, labels, np.full(len(labels), -1))
    points = [queries_of(embeddings, modality, form) for modality in MODALITIES]
    return Cloud(
        np.concatenate([embeddings.ids] * len(points)),
        np.concatenate(points),
        np.concatenate([labels] * len(points)),
        np.repeat(np.arange(len(points)), len(labels)),
    )


def measures(found: Cloud) -> tuple[float, ...]:
    """Return the numbers of `MEASURES`; NaN where there are not groups enough."""
    both = found.classes * len(MODALITIES) + found.modalities
    one = found.modalities.min() < 0
    return (
        silhouette(found.points, found.classes),
        math.nan if one else silhouette(found.points, found.modalities),
        math.nan if one else silhouette(found.points, both),
        100 * neighbours_of_class(found),
    )


def silhouette(points: Array, groups: Array) -> float:
    """Return the mean silhouette by cosine distance; NaN for one group, or one a point."""
    if not 1 < len(np.unique(groups)) < len(points):
        return math.nan
    return float(silhouette_score(points, groups, metric="cosine"))


def neighbours_of_class(found: Cloud) -> float:
    """Return the share of the points' nearest others, by cosine distance, that have their class.

    Others are those of other samples: a sample's own other point has its class in any case.
    """
    samples, counts = np.unique(found.ids, return_counts=True)
    if len(samples) < 2:
        return math.nan
    own = int(counts.max())
    wanted = min(NEIGHBOURS, len(found.points) - own)
    search = NearestNeighbors(n_neighbors=wanted + own - 1, metric="cosine").fit(found.points)
    near = search.kneighbors(return_distance=False)
    others = found.ids[near] != found.ids[:, None]
    counted = others & (others.cumsum(axis=1) <= wanted)
    return float((found.classes[near] == found.classes[:, None])[counted].mean())


def chance_of_class(classes: Array) -> float:
    """Return the share of all samples' others that have their class."""
    _, counts = np.unique(classes, return_counts=True)
    pairs = len(classes) * (len(classes) - 1)
    return float((counts * (counts - 1)).sum() / pairs) if pairs else math.nan


def to_plane(points: Array) -> Array:
    """Return the points by t-SNE, [P, 2]; seeded, the same for the same points."""
    if len(points) < 3:
        raise GridError(f"--samples: t-SNE needs at least 3 points, got {len(points)}")
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    plane: Array = TSNE(
        perplexity=perplexity, metric="cosine", init="random", random_state=0
    ).fit_transform(points)
    return plane


def class_names(data_set: str) -> tuple[str, ...]:
    """Return the names of the classes, by index."""
    if data_set == MEMES:
        return ("not hateful", "hateful")
    return DATA_SETS[data_set].classes


def _draw(
    runs: FigureRuns,
    drawn: Mapping[tuple[str, str], tuple[Job, Cloud, Array]],
    names: Sequence[str],
    data_set: str,
) -> Figure:
    """Draw a row a view, a column a method: class by marker and colour, modality by filling."""
    methods = list(dict.fromkeys(method for _, method in drawn))
    figure = Figure(figsize=(4.2 * len(methods), 3.8 * len(VIEWS) + 0.8), layout="constrained")
    axes = figure.subplots(len(VIEWS), len(methods), squeeze=False)
    for row, view in enumerate(VIEWS):
        for column, method in enumerate(methods):
            axis, (_, found, plane) = axes[row, column], drawn[view, method]
            for layer in np.array_split(np.arange(len(plane)), LAYERS):
                kinds = np.stack([found.classes[layer], found.modalities[layer]], axis=1)
                for kind in np.unique(kinds, axis=0):
                    points = plane[layer[(kinds == kind).all(axis=1)]]
                    axis.plot(*points.T, **_marker(*kind), rasterized=True)
            axis.set_title(f"{method}: {view}", fontsize=10)
            axis.set_xticks([])
            axis.set_yticks([])
    shown = [Line2D([], [], label=name, **_marker(k, -1)) for k, name in enumerate(names)]
    shown += [
        Line2D([], [], label=f"{name} (lower rows)", **{**_marker(0, k), **OF_ANY_CLASS})
        for k, name in enumerate(MODALITIES)
    ]
    figure.legend(handles=shown, loc="outside lower center", ncols=len(shown), frameon=False)
    figure.suptitle(runs.heading(f"{TITLES[data_set]}, test split, t-SNE"))
    return figure


def _marker(label: int, modality: int) -> dict[str, Any]:
    marker, color = MARKERS[label]
    filled = MODALITIES[modality] == "image" if modality >= 0 else True
    return {
        "color": color,
        "marker": marker,
        "linestyle": "",
        "markersize": 3.2,
        "markeredgewidth": 0.7,
        "fillstyle": "full" if filled else "none",
        "alpha": 0.8,
    }


def _rows(found: Cloud, plane: Array, names: Sequence[str]) -> list[tuple[object, ...]]:
    modalities = (*MODALITIES, "both")  # index -1 is the last
    return [
        (str(key), modalities[modality], names[label], float(x), float(y))
        for key, modality, label, (x, y) in zip(
            found.ids, found.modalities, found.classes, plane, strict=True
        )
    ]


def _table(numbers: Mapping[tuple[str, str], Sequence[tuple[float, ...]]], chance: float) -> Table:
    rows = [
        [view, method, *map(_spell, zip(*numbers[view, method], strict=True))]
        for view in VIEWS
        for method in dict.fromkeys(method for _, method in numbers)
    ]
    return Table(
        "Figure 5. How far classes and modalities stand apart, mean over seeds; of neighbours "
        f"drawn at random {100 * chance:.1f} % have the class (a little fewer where samples share "
        "a picture or a text with samples of other classes)",
        ["points", "method", *MEASURES],
        rows,
    )


def _spell(values: Sequence[float]) -> str:
    return spell(summarize([value for value in values if not math.isnan(value)]), digits=3)


def _count(drawn: Mapping[tuple[str, str], tuple[Job, Cloud, Array]]) -> int:
    return next(len(found.ids) for (view, _), (_, found, _) in drawn.items() if view == FUSED)
