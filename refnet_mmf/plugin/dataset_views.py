"""Stock data sets seen in another way: without labels, or with other samples' texts or pictures.

The stock builders load a split as they do; its parts are then replaced by these views.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from torch.utils.data import ConcatDataset, Dataset

from refnet_mmf.core.sample_choice import another_sample
from refnet_mmf.plugin.annotation_fields import FIELDS, Fields
from refnet_mmf.plugin.dataset_rows import parts_of, sample_ids
from refnet_mmf.plugin.errors import RefnetError

LABEL_KEYS = ("targets", "answers")
TEXT_KEYS = ("text", "text_len", "tokens", "input_ids", "input_mask", "segment_ids", "lm_label_ids")
PICTURE_PREFIX = "image"


class DatasetView(Dataset[Any]):
    """A data set whose attributes are those of another one, and whose samples are made of its.

    Args:
        viewed: the other one.
    """

    def __init__(self, viewed: Any) -> None:
        self.viewed = viewed

    def __len__(self) -> int:
        return len(self.viewed)

    def __getitem__(self, index: Any) -> Any:
        return self.viewed[index]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "viewed":
            raise AttributeError(name)
        return getattr(self.viewed, name)


class WithoutLabels(DatasetView):
    """Samples without their labels, which need not be in the annotations.

    What stands there for a label is not read.
    """

    def __init__(self, viewed: Any) -> None:
        super().__init__(viewed)
        _hide_labels(viewed, kept=())

    def __getitem__(self, index: int) -> Any:
        sample = self.viewed[index]
        for key in LABEL_KEYS:
            sample.pop(key, None)
        return sample


class RowsWithoutLabels(DatasetView):
    """Annotation rows whose label is one that means nothing.

    Args:
        viewed: the rows.
        fields: of a row.
        kept: positions of the rows that keep theirs.
    """

    def __init__(self, viewed: Any, fields: Fields, kept: Collection[int]) -> None:
        super().__init__(viewed)
        self.fields = fields
        self.kept = frozenset(kept)

    def __getitem__(self, index: int) -> Any:
        if index in self.kept:
            return self.viewed[index]
        label, neutral = self.fields.label, self.fields.neutral_label
        row = {key: value for key, value in self.viewed[index].items() if key != label}
        return row if neutral is None else {**row, label: neutral}


class WithOtherText(DatasetView):
    """Samples with the text of another one; picture, label and id stay.

    Args:
        viewed: the part of a split that this stands for.
        split: the whole of it.
        others: position of the other sample, for each of this part.
    """

    def __init__(self, viewed: Any, split: Dataset[Any], others: Sequence[int]) -> None:
        super().__init__(viewed)
        self.split = split
        self.others = others

    def __getitem__(self, index: int) -> Any:
        return self._exchange(self.viewed[index], self.split[self.others[index]])

    def _moves(self, key: str) -> bool:
        return key in TEXT_KEYS

    def _exchange(self, sample: Any, other: Any) -> Any:
        keys = [key for key in other if self._moves(key)]
        if not keys:
            raise RefnetError(
                f"refnet.pairing: samples of dataset={self.viewed.dataset_name} have no such "
                f"fields; they have {', '.join(other)}"
            )
        for key in keys:
            sample[key] = other[key]
        return sample


class WithOtherPicture(WithOtherText):
    """Samples with the picture of another one; text, label and id stay."""

    def _moves(self, key: str) -> bool:
        return key.startswith(PICTURE_PREFIX)


PAIRINGS: dict[str, type[WithOtherText]] = {
    "shuffled_text": WithOtherText,
    "shuffled_image": WithOtherPicture,
}


def remove_labels(dataset: Any) -> None:
    """Make a split one without labels, in place."""
    _replace_parts(dataset, [WithoutLabels(part) for part in parts_of(dataset)])


def keep_labels(dataset: Any, labelled: Collection[int]) -> None:
    """Let no labels of a split be read but those of the samples at the positions ``labelled``.

    Raises:
        RefnetError: one of these has no label.
    """
    before = 0
    for part in parts_of(dataset):
        kept = [position - before for position in labelled if 0 <= position - before < len(part)]
        fields = FIELDS.get(part.dataset_name)
        for position in kept:
            if fields is not None and fields.label not in part.annotation_db[position]:
                name = sample_ids(dataset)[before + position]
                raise RefnetError(
                    f"refnet.labels: {name} is among the labelled samples, and "
                    f"has no field {fields.label!r}; refnet.labels.ids_file names those that have"
                )
        _hide_labels(part, kept)
        before += len(part)


def exchange_samples(dataset: Any, pairing: str, seed: int) -> None:
    """Pair each picture of a split with the text of another sample, in place (A.5).

    Args:
        dataset: the split.
        pairing: ``shuffled_text`` or ``shuffled_image``: what comes from the other sample.
        seed: of the permutation, which keeps no pair.
    """
    parts = parts_of(dataset)
    if len(dataset) < 2:
        raise RefnetError(
            f"refnet.pairing: {pairing}: takes another sample's, and a split has one alone"
        )
    others = another_sample(sample_ids(dataset), seed)
    split: ConcatDataset[Any] = ConcatDataset(parts)
    views, before = [], 0
    for part in parts:
        views.append(PAIRINGS[pairing](part, split, others[before : before + len(part)]))
        before += len(part)
    _replace_parts(dataset, views)


def _hide_labels(part: Any, kept: Collection[int]) -> None:
    """Take the labels away from the rows of a part, but for those at the positions ``kept``."""
    fields = FIELDS.get(part.dataset_name)
    while isinstance(part, DatasetView):
        part = part.viewed
    if fields is not None:
        part.annotation_db = RowsWithoutLabels(part.annotation_db, fields, kept)


def _replace_parts(dataset: Any, views: Sequence[Any]) -> None:
    if not hasattr(dataset, "datasets"):
        raise RefnetError(
            f"dataset={dataset.dataset_name}: is not made of annotation files, which "
            "refnet.pairing and refnet.stage: pretrain need"
        )
    dataset.datasets[:] = views
