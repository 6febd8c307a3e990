"""Reads the progress lines of MMF's log, which are alike on both of its lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROGRESS = re.compile(r"progress: (\d+)/(\d+), (.*)")
_INTERVAL = re.compile(r"num_updates: (\d+),.* time: ((?:\d+(?:h|ms|m|s) ?)+)")
_PART = re.compile(r"(\d+)(h|ms|m|s)")
_BEGINS = "Starting training..."
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = re.compile(r"([^\s,:]+/[^\s,:]+): (-?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf))(?=,|\s*$)")


@dataclass(frozen=True)
class Progress:
    """One progress line.

    Attributes:
        update: updates done.
        updates: updates in all.
        values: the numbers shown, by MMF's key, e.g. ``val/hateful_memes/roc_auc``.
        part: how many times training had begun before it, in these lines: a run that was cut off
            and went on has parts.
    """

    update: int
    updates: int
    values: dict[str, float]
    part: int = 1


def read_progress(lines: Iterable[str]) -> Iterator[Progress]:
    """Yield the progress lines among ``lines``, in order."""
    part = 0
    for line in lines:
        part += _BEGINS in line
        found = _PROGRESS.search(_COLOUR.sub("", line))
        if found:
            values = {key: float(value) for key, value in _NUMBER.findall(found[3])}
            yield Progress(int(found[1]), int(found[2]), values, part)


def interval_seconds(lines: Iterable[str]) -> list[tuple[int, float]]:
    """Return updates done and seconds since the line before, of the lines of training."""
    found = []
    for line in lines:
        shown = _PROGRESS.search(_COLOUR.sub("", line))
        timed = _INTERVAL.search(shown[3]) if shown else None
        if timed:
            parts = _PART.findall(timed[2])
            found.append((int(timed[1]), sum(int(n) * _SECONDS[unit] for n, unit in parts)))
    return found


def last_values(progress: Iterable[Progress], split: str) -> dict[str, float]:
    """Return the numbers of the last line that shows ``split``; empty where none does.

    MMF evaluates the best checkpoint last of all.
    """
    prefix = f"{split}/"
    found: dict[str, float] = {}
    for line in progress:
        shown = {key: value for key, value in line.values.items() if key.startswith(prefix)}
        found = shown or found
    return found


def curve(progress: Iterable[Progress], key: str, window: int = 1) -> tuple[list[int], list[float]]:
    """Return updates and values of ``key`` while training went on.

    The last lines of a run evaluate a restored checkpoint: their update is an earlier one.

    Args:
        progress: of a run; of one that was resumed, of all its parts.
        key: MMF's.
        window: how many values a line sums up. Of a part that goes on, the first lines, which sum
            up fewer than those before the cut, are left out.
    """
    updates: list[int] = []
    values: list[float] = []
    last, part, fewer = 0, None, 0
    for line in progress:
        if key not in line.values:
            continue
        goes_on = line.update <= last or part not in (None, line.part)
        fewer = window - 1 if goes_on else max(0, fewer - 1)
        last, part = line.update, line.part
        if not fewer and (not updates or line.update > updates[-1]):
            updates.append(line.update)
            values.append(line.values[key])
    return updates, values
