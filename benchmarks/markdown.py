"""Tables in Markdown, as the page of benchmarks holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def markdown_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table: its head, and a line for each of ``rows``."""
    cells = [[str(cell) for cell in row] for row in rows]
    return tabulate(cells, [str(cell) for cell in head], tablefmt="github", disable_numparse=True)
