"""The metrics by which a data set's runs are judged, as columns of a table."""

from __future__ import annotations

from collections.abc import Sequence

from refnet_mmf.experiments.experiment_names import METRICS
from refnet_mmf.experiments.tables.score_table import Column


def columns_of(data_set: str, splits: Sequence[str] = ("val", "test")) -> list[Column]:
    """Return each metric of each split."""
    return [
        Column(title, data_set, split, metric)
        for title, metric in METRICS[data_set].items()
        for split in splits
    ]
