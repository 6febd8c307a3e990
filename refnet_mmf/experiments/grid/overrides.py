"""Further options that a user gives to every run of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refnet_mmf.experiments.grid.cell import Cell
from refnet_mmf.experiments.grid.options import GridError


def read_overrides(overrides: Sequence[str], cells: Sequence[Cell], whose: str) -> tuple[str, ...]:
    """Check further options, ``KEY=VALUE``, for the runs of ``cells``.

    Args:
        overrides: as typed.
        cells: the experiments.
        whose: what the runs are for, in words.

    Raises:
        GridError: one line: one has another form, or is set by the experiments themselves.
    """
    for override in overrides:
        if not override.partition("=")[0] or "=" not in override:
            raise GridError(f"{override!r}: expected an option of the runs, KEY=VALUE")
    for key in (override.partition("=")[0] for override in overrides):
        for cell in cells:
            arguments = cell.run("mini", Path(), 0, Path()).arguments
            taken = {argument.partition("=")[0] for argument in arguments}
            if any(f"{key}.".startswith(f"{own}.") or own.startswith(f"{key}.") for own in taken):
                raise GridError(f"{key}: is set by {whose}, and can't be an option of its runs")
    return tuple(overrides)


def note_of(overrides: Sequence[str]) -> list[str]:
    """Word further options, where there are any."""
    return [f"Options of every run: {' '.join(overrides)}."] if overrides else []
