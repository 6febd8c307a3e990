"""What a stock data set's annotation rows say of its samples: ids and labels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from refnet_mmf.core.sample_choice import rarest_label
from refnet_mmf.plugin.annotation_fields import FIELDS
from refnet_mmf.plugin.errors import RefnetError


def parts_of(dataset: Any) -> list[Any]:
    """Return the data sets, one an annotation file, that make up a split.

    Raises:
        RefnetError: they have no annotation files.
    """
    parts = list(getattr(dataset, "datasets", [dataset]))
    for part in parts:
        if not hasattr(part, "annotation_db"):
            raise RefnetError(
                f"dataset={dataset.dataset_name}: has no annotation files to choose samples from, "
                "which refnet.labels, refnet.pairing and refnet.stage: pretrain need"
            )
    return parts


def sample_ids(dataset: Any) -> list[str]:
    """Return an id of each sample of a split: the annotation's, or file name and line.

    The latter where an annotation has no ``id``, or one that another one has too.
    """
    ids = [str(row["id"]) for row in _rows(dataset) if "id" in row]
    if len(ids) == len(dataset) == len(set(ids)):
        return ids
    return [line for part in parts_of(dataset) for line in _lines(part)]


def strata(dataset: Any) -> Sequence[Hashable]:
    """Return each sample's class; of a label set, its rarest label.

    Raises:
        RefnetError: where the label stands in this data set's annotations is not known.
    """
    name = dataset.dataset_name
    if name not in FIELDS:
        raise RefnetError(
            f"refnet.labels.stratified: known for {', '.join(FIELDS)}, not for dataset={name}"
        )
    labels = [row.get(FIELDS[name].label) for row in _rows(dataset)]
    if all(isinstance(label, list) for label in labels):
        return rarest_label(labels)
    return [str(label) for label in labels]


def _rows(dataset: Any) -> list[Any]:
    return [
        part.annotation_db[position]
        for part in parts_of(dataset)
        for position in range(len(part.annotation_db))
    ]


def _lines(part: Any) -> list[str]:
    """Return file name and number of each line of a part's annotation file."""
    path = part._get_path_based_on_index(part.config, "annotations", part._index)
    name = Path(path).name
    return [f"{name}:{number}" for number in range(1, len(part.annotation_db) + 1)]
