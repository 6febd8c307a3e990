"""The table of probes: how much of each modality can be read from the fused embedding.

The paper has no such table; its section 1 says what REFINER is for, "retaining unimodal or weakly
multimodal signals", and shows it by scores alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from refnet_mmf.experiments.experiment_names import MOVIES, NAMES, VARIANTS
from refnet_mmf.experiments.grid.cell import Cell
from refnet_mmf.experiments.tables.embedding_measures import SPLIT
from refnet_mmf.experiments.tables.paper_tables import label_cell
from refnet_mmf.experiments.tables.probe_scores import LABELS, score_name
from refnet_mmf.experiments.tables.score_table import Column, Row, ScoreTable

NAME = "probes"
TITLE = "what of each modality the fused embedding keeps, MM-IMDB"
MODELS = {
    "gmu": ("baseline", "refnet"),
    "linear_sum": ("baseline", "refnet"),
    "concat": ("baseline", "refnet"),
    "vilbert": tuple(VARIANTS),
    "mmbt": tuple(VARIANTS),
}
"""The variants of each model whose runs Tables 2, 3 and 6 need, too."""

PERCENTS = (100, 5)
"""Parts of the labels in training: all, and few."""
_OTHER_PERCENTS = {"gmu": (100,), "linear_sum": (100,), "concat": (100,)}
_MEASURES = {
    "text R^2": score_name("text"),
    "image R^2": score_name("image"),
    "labels micro F1": LABELS,
}


def column_title(percent: int, measure: str) -> str:
    """Return the title of the column of a measure, with this part of the labels in training."""
    return f"{'all labels' if percent == 100 else f'{percent} %'}: {measure}"


def columns_of(measures: Mapping[str, str]) -> list[Column]:
    """Return a column of each measure (its name by its title), for each part of the labels."""
    return [
        Column(column_title(percent, title), MOVIES, SPLIT, name, str(percent))
        for percent in PERCENTS
        for title, name in measures.items()
    ]


def probe_table() -> ScoreTable:
    """Return the table: the networks of Tables 2 and 3, and of Table 6 with 5 % of the labels."""
    rows = []
    for model, variants in MODELS.items():
        for variant in variants:
            cells: dict[str, Cell] = {
                str(percent): label_cell(MOVIES, model, variant, percent)
                for percent in _OTHER_PERCENTS.get(model, PERCENTS)
            }
            baseline = "" if variant == "baseline" else NAMES[model]
            rows.append(Row(VARIANTS[variant] + NAMES[model], cells, baseline))
    return ScoreTable(NAME, TITLE, columns_of(_MEASURES), rows, _NOTES)


_NOTES = (
    "R^2 of a modality's features (the targets of the refiner: unimodal encoders' outputs, in "
    "ViLBERT and MMBT the modality's own tokens, which have seen the other one), read from the "
    "fused embedding by ridge regression that was fitted on the training split; columns weighted "
    "by their variance. Labels: logistic regression.",
    "The features are each network's own: where training moves the encoders, two networks' are "
    "not the same.",
)
