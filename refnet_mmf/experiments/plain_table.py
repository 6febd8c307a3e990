"""Tables of text: shown in a terminal, and written as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.experiments.csv_text import csv_text
from refnet_mmf.plugin.atomic_file import write_atomically


@dataclass(frozen=True)
class PlainTable:
    """A table.

    Attributes:
        header: names of the columns.
        rows: their cells.
        notes: lines below it: what the numbers are, and of what.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """Return it in Markdown, its columns aligned, so that it can be read as it is."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [_line(self.header, widths), f"|{'|'.join('-' * (w + 2) for w in widths)}|"]
        lines += [_line(row, widths) for row in self.rows]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)]) + "\n"

    def write(self, path: Path) -> list[Path]:
        """Write it as ``path`` with the endings .md and .csv (no notes); return the files."""
        contents = {".md": self.markdown(), ".csv": csv_text(self.header, self.rows)}
        files = []
        for ending, content in contents.items():
            file = path.with_name(f"{path.name}{ending}")
            write_atomically(content, file)
            files.append(file)
        return files

    def show(self, path: Path | None) -> None:
        """Print it, and write it where ``path`` is given."""
        print(self.markdown(), end="")
        for file in self.write(path) if path is not None else ():
            print(f"wrote {file}")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(c.ljust(w) for c, w in zip(cells, widths, strict=True))} |"
