"""What a miniature data set is: how its samples are drawn, and the files that MMF reads of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from refnet_mmf.experiments.miniature.pictures import Scene


class Sample(Protocol):
    """A picture and what is annotated of it."""

    @property
    def scene(self) -> Scene:
        """What the picture shows."""

    def annotation(self, key: str) -> dict[str, Any]:
        """Return its line of the annotations, of the sample whose picture's key is ``key``."""


@dataclass(frozen=True)
class Layout:
    """Files of a data set, below ``<env.data_dir>/datasets``, as MMF's stock builder reads them.

    Each stands in ``<name in MMF's zoo>/defaults/<part>``. A sample's key is its number, counted
    through all splits.

    Attributes:
        annotations: for each split its files, all of the same content.
        picture: the file of the picture of ``{key}``.
        features: the lmdb.
        key: how a number becomes a key; numbers and keys sort alike.
        words: files that hold a word on each line.
        picture_lists: for each split the file that lists its keys, one on each line.
    """

    annotations: Mapping[str, Sequence[str]]
    picture: str
    features: str
    key: str
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    picture_lists: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A miniature data set.

    Attributes:
        name: as in MMF.
        layout: its files.
        draw_split: draws the samples of a split: seed, name and size of the split; the size is a
            multiple of 12.
        corpus: writes sentences to pretrain a text encoder on: seed and number.
        vocabulary: every word that a sentence can hold.
    """

    name: str
    layout: Layout
    draw_split: Callable[[int, str, int], Sequence[Sample]]
    corpus: Callable[[int, int], list[str]]
    vocabulary: Sequence[str]
