"""Wording of errors: one line that names the place, the value and the nearest valid ones."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path


def nearest(value: str, valid: Iterable[str]) -> str | None:
    """Return the entry of ``valid`` that looks most like ``value``; None if none resembles it."""
    candidates = list(valid)
    close = difflib.get_close_matches(str(value), candidates, n=1, cutoff=0.4)
    if close:
        return close[0]
    prefixed = [c for c in candidates if value and (c in str(value) or str(value) in c)]
    return prefixed[0] if prefixed else None


def near_file(path: Path) -> str:
    """Tell which file lies beside a missing one under nearly its name; empty where none does."""
    try:
        names = [beside.name for beside in path.parent.iterdir()]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return did_you_mean(str(path.with_name(close[0])) if close else None)


def did_you_mean(guess: str | None) -> str:
    """Word a guess, to be put behind a message; empty where there is none."""
    return f"; did you mean {guess!r}?" if guess else ""


def unknown(place: str, kind: str, value: object, valid: Iterable[str]) -> str:
    """Word the error for a name that is not one of a known set.

    Args:
        place: where the name stands, e.g. ``model_config.refnet_mmbt.refiner.pooler``.
        kind: what it should be, e.g. ``pooler``.
        value: the name as given.
        valid: the names that are known.
    """
    names = sorted((" ".join(str(name).split()) for name in valid), key=by_words_and_numbers)
    hint = did_you_mean(nearest(str(value), names))
    return f"{place}: unknown {kind} {value!r}{hint} (valid: {', '.join(names) or 'none'})"


def by_words_and_numbers(name: str) -> list[str | int]:
    """Return what sorts ``9`` before ``10``, alone and within a name."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def check_name(place: str, kind: str, value: object, valid: Iterable[str]) -> None:
    """Raise a ValueError worded by `unknown` unless ``value`` is one of ``valid``."""
    names = list(valid)
    if value not in names:
        raise ValueError(unknown(place, kind, value, names))


def check_number(
    place: str,
    value: object,
    *,
    minimum: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Raise unless ``value`` is a finite number within the stated range.

    Args:
        place: name of the argument or key, for the message.
        value: what was given.
        minimum: smallest value that is allowed.
        above: the value must be larger than this.
        below: the value must be smaller than this.

    Raises:
        TypeError: ``value`` is not a number (booleans are not numbers here).
        ValueError: it is NaN, infinite or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{place}: expected a number, got {value!r} of type {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{place}: expected a finite number, got {value!r}")
    if minimum is not None and value < minimum:
        raise ValueError(f"{place}: expected at least {minimum:g}, got {value!r}")
    if above is not None and value <= above:
        raise ValueError(f"{place}: expected more than {above:g}, got {value!r}")
    if below is not None and value >= below:
        raise ValueError(f"{place}: expected less than {below:g}, got {value!r}")
