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
        several_texts: the text may be a list, of which MMF takes the first.
        number: a field that holds a number, as such or as a text.
        neutral_label: a label that MMF takes without a complaint, for samples whose own is not
            used; None: it takes a row without one.
    """

    text: str
    label: str
    picture: str | None = None
    several_texts: bool = False
    number: str | None = None
    neutral_label: Any = None


def check_characters(name: str, text: str) -> None:
    """Refuse a text that no tokenizer takes: one with half a character of UTF-16 in it.

    Raises:
        ValueError: one line.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name}: holds half a character ({text[error.start]!a} at {error.start}): "
            f"{text[: error.start + 1]!a:.80}"
        ) from None


FIELDS = {
    "hateful_memes": Fields("text", "label", "img", number="id"),
    "mmimdb": Fields("plot", "genres", several_texts=True, neutral_label=[UNKNOWN_CLASS]),
    "visual_entailment": Fields(
        "sentence2", "gold_label", "Flikr30kID", neutral_label=ENTAILMENT_CLASSES[1]
    ),
}
"""The data sets whose rows are checked, and whose labels can be left aside."""
