"""What the conversion asks of a published data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol


class Source(Protocol):
    """A published data set, opened."""

    @property
    def name(self) -> str:
        """What the user called it."""

    def count(self, split: str) -> int | None:
        """Return how many rows a split has; None if that is not known beforehand."""

    def rows(self, split: str) -> Iterator[dict[str, Any] | None]:
        """Yield a split's rows as MMF reads them, None for each that is left out.

        Raises:
            DataError: something is missing or wrong.
        """

    def picture(self, name: str) -> Path | None:
        """Return the file of a picture that a row names; None if it is missing."""

    def notes(self) -> list[str]:
        """Say what was done to the rows, after all have been read."""
