"""The metrics by which a data set's runs are judged, as columns of a table."""

from __future__ import annotations

from collections.abc import Sequence

from refnet_mmf.experiments.tables.paper_tables import ENTAILMENT, MEMES, MOVIES
from refnet_mmf.experiments.tables.score_table import Column

TITLES = {
    MEMES: "Hateful Memes",
    MOVIES: "MM-IMDB",
    ENTAILMENT: "SNLI-VE",
}

METRICS = {
    MEMES: {"AUROC": "refnet_roc_auc", "accuracy": "refnet_accuracy"},
    MOVIES: {"micro F1": "refnet_micro_f1", "macro F1": "refnet_macro_f1"},
    ENTAILMENT: {"accuracy": "refnet_accuracy"},
}
"""By data set; the first one is what the best checkpoint is chosen by."""

SPLITS = {"val": "val.", "test": "test"}
"""How a split is called, as in the tables."""


def columns_of(data_set: str, splits: Sequence[str] = ("val", "test")) -> list[Column]:
    """Return each metric of each split."""
    return [
        Column(title, data_set, split, metric)
        for title, metric in METRICS[data_set].items()
        for split in splits
    ]
