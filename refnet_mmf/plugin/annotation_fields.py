"""What the stock data sets read of a row of their annotation files. Needs no MMF."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from refnet_mmf.core.messages import did_you_mean, nearest
from refnet_mmf.plugin.class_lines import UNKNOWN_CLASS

Row = Mapping[str, Any]
"""A row of annotations, as JSON has it."""
RowCheck = Callable[[Row], None]
"""Raises ValueError, one line, for a row that MMF can't use."""

ENTAILMENT_CLASSES = ("entailment", "neutral", "contradiction")
RARE_GENRES = {"news": 64, "adult": 4, "talk-show": 2, "reality-tv": 1}
"""Genres of the real MM-IMDB that its 23 classes leave out, on purpose, and their movies."""
MOST_GENRES = 10
"""How many genres of a movie MMF has room for."""


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
        label_sets: the label is a set of classes, which a class file lists.
    """

    text: str
    label: str
    picture: str | None = None
    several_texts: bool = False
    number: str | None = None
    neutral_label: Any = None
    label_sets: bool = False


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
    "mmimdb": Fields(
        "plot", "genres", several_texts=True, neutral_label=[UNKNOWN_CLASS], label_sets=True
    ),
    "visual_entailment": Fields(
        "sentence2", "gold_label", "Flikr30kID", neutral_label=ENTAILMENT_CLASSES[1]
    ),
}
"""The data sets whose rows are checked, and whose labels can be left aside."""


def fields_check(name: str) -> RowCheck:
    """Return the check that a row has a text, and what else its data set reads but the label.

    Args:
        name: the data set, a key of `FIELDS`.
    """
    fields = FIELDS[name]
    mentioned = (fields.text, fields.picture, fields.number)
    names = [name for name in mentioned if name is not None]

    def check(row: Row) -> None:
        for name in names:
            if name not in row:
                raise ValueError(missing_field(name, row))
        text = row[fields.text]
        if fields.several_texts and isinstance(text, list) and text:
            text = text[0]
        if not isinstance(text, str):
            raise ValueError(f"{fields.text}: expected a text, got {text!r}")
        check_characters(fields.text, text)
        if fields.number is not None:
            _check_whole_number(fields.number, row[fields.number])
        if fields.picture is not None and not isinstance(row[fields.picture], str):
            raise ValueError(f"{fields.picture}: expected a name, got {row[fields.picture]!r}")

    return check


def check_genres(genres: Any) -> None:
    """Refuse what MMF can't take as the genres of a movie, whatever they are called.

    Raises:
        ValueError: one line.
    """
    if not isinstance(genres, list):
        raise ValueError(f"genres: expected a list, got {genres!r}")
    if not 0 < len(genres) <= MOST_GENRES:
        raise ValueError(f"genres: MMF takes 1 to {MOST_GENRES} of a movie, got {len(genres)}")
    for genre in genres:
        if not isinstance(genre, str):
            raise ValueError(f"genres: expected names, got {genre!r}")


def missing_field(name: str, row: Row) -> str:
    """Word that a row has no such field."""
    guess = nearest(name, map(str, row))
    hint = did_you_mean(guess)
    return f"no field {name!r}{hint} (there: {', '.join(map(str, row)) or 'none'})"


def _check_whole_number(name: str, value: Any) -> None:
    """Refuse what MMF can't keep as a whole number of 32 bits."""
    try:
        fits = not isinstance(value, bool) and abs(int(value)) < 2**31
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"{name}: expected a whole number of up to 9 digits, got {value!r:.80}")
