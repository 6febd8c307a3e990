"""A table as its words and numbers, before it is brought into a form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table: a caption, a header and rows of text."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def of_words(self) -> list[bool]:
        """Whether a column is one of words, by its number: the first is, and what has any word."""
        return [
            column == 0 or any(re.search("[A-Za-z]{3}", row[column]) for row in self.rows)
            for column in range(len(self.header))
        ]


def as_text(table: Table) -> str:
    """Render a table for the terminal."""
    rows = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    lines = [
        "  ".join(
            cell.ljust(width) if words else cell.rjust(width)
            for cell, width, words in zip(row, widths, table.of_words, strict=True)
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([table.caption, "", lines[0].rstrip(), rule, *map(str.rstrip, lines[1:])])
