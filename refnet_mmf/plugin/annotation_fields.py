"""What the stock data sets read of a row of their annotation files. Needs no MMF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from refnet_mmf.plugin.class_lines import UNKNOWN_CLASS

ENTAILMENT_CLASSES = ("entailment", "neutral", "contradiction")
RARE_GENRES = {"news": 64, "adult": 4, "talk-show": 2, "reality-tv": 1}
"""Genres of the real MM-IMDB that its 23 classes leave out, on purpose, and their movies."""


@dataclass(frozen=True)
class Fields:
    """The fields of a row.

    Attributes:
        text: field of the text.
        label: field of the label.
        picture: field that names the picture; None: MMF tries a list of fields.
        others: further fields that it needs.
        several_texts: the text may be a list, of which MMF takes the first.
        neutral_label: a label that MMF takes without a complaint, for samples whose own is not
            used; None: it takes a row without one.
    """

    text: str
    label: str
    picture: str | None = None
    others: tuple[str, ...] = ()
    several_texts: bool = False
    neutral_label: Any = None


FIELDS = {
    "hateful_memes": Fields("text", "label", "img", others=("id",)),
    "mmimdb": Fields("plot", "genres", several_texts=True, neutral_label=[UNKNOWN_CLASS]),
    "visual_entailment": Fields(
        "sentence2", "gold_label", "Flikr30kID", neutral_label=ENTAILMENT_CLASSES[1]
    ),
}
"""The data sets whose rows are checked, and whose labels can be left aside."""
