"""The table of probes: how much of each modality can be read from the fused embedding.

The paper has no such table; its section 1 says what REFINER is for, "retaining unimodal or weakly
multimodal signals", and shows it by scores alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from refnet_mmf.experiments.experiment_names import MODALITIES, MOVIES, NAMES, VARIANTS
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
PARTS = {
    "inputs": {
        **{f"{name} R^2": score_name(name, "inputs") for name in MODALITIES},
        "labels micro F1": LABELS,
    },
    "own features": {f"{name} R^2": score_name(name, "features") for name in MODALITIES},
}
"""The measures of each part: their names by their titles."""


def column_title(percent: int, measure: str) -> str:
    """Return the title of the column of a measure, with this part of the labels in training."""
    return f"{'all labels' if percent == 100 else f'{percent} %'}: {measure}"


def columns_of(measures: Mapping[str, str], split: str = SPLIT) -> list[Column]:
    """Return a column of each measure (its name by its title), for each part of the labels."""
    return [
        Column(column_title(percent, title), MOVIES, split, name, str(percent))
        for percent in PERCENTS
        for title, name in measures.items()
    ]


def probe_tables() -> list[ScoreTable]:
    """Return a part for what is read: the networks of Tables 2 and 3, of Table 6 with 5 %."""
    rows = []
    for model, variants in MODELS.items():
        for variant in variants:
            cells: dict[str, Cell] = {
                str(percent): label_cell(MOVIES, model, variant, percent)
                for percent in _OTHER_PERCENTS.get(model, PERCENTS)
            }
            baseline = "" if variant == "baseline" else NAMES[model]
            rows.append(Row(VARIANTS[variant] + NAMES[model], cells, baseline))
    return [
        ScoreTable(NAME, TITLE, columns_of(measures), rows, _NOTES, part)
        for part, measures in PARTS.items()
    ]


_NOTES = (
    "R^2 of what is read from the fused embedding by ridge regression, fitted on the training "
    "split; columns weighted by their variance. Labels: logistic regression, fitted to all labels "
    "of the training split, whatever part of them the network had.",
    "Inputs: how often each word is in the text, and the mean of the picture's region features, or "
    "its thumbnail where a network reads pictures: the same for every network that reads the same.",
    "Own features: the targets of the refiner, that is the unimodal encoders' outputs, in ViLBERT "
    "and MMBT the modality's own tokens, which have seen the other one. Training moves the "
    "encoders, so that two networks' features are not the same.",
)
