"""Tables written down: Markdown, LaTeX and CSV of the same cells."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from tabulate import tabulate

from refnet_mmf.experiments.csv_text import csv_text
from refnet_mmf.experiments.output_folder import check_output_folder
from refnet_mmf.experiments.plain_table import Table, as_text
from refnet_mmf.plugin.atomic_file import write_atomically


def as_markdown(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Return tables and notes as Markdown."""
    parts = []
    for table in tables:
        parts += [f"**{table.caption}**", markdown_cells(table.header, table.rows)]
    indented = (note.replace("\n", "\n  ") for note in notes)
    return "\n\n".join([*parts, *(f"* {note}" for note in indented)]) + "\n"


def markdown_cells(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a header and rows in Markdown, each cell as its text."""
    cells = [[str(cell) for cell in row] for row in rows]
    return tabulate(cells, [str(cell) for cell in header], tablefmt="github", disable_numparse=True)


def as_latex(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Return tables and notes as LaTeX (booktabs)."""
    parts = []
    for table in tables:
        cells = tabulate(table.rows, table.header, tablefmt="latex_booktabs", disable_numparse=True)
        caption = _escape(" ".join([f"{table.caption}.", *notices(notes)]))
        parts.append(f"\\begin{{table}}\n\\caption{{{caption}}}\n{cells}\n\\end{{table}}")
    comments = ("\n".join(f"% {line}" for line in note.splitlines()) for note in notes)
    return "\n\n".join([*parts, *comments]) + "\n"


def as_csv(table: Table, notes: Sequence[str] = ()) -> str:
    """Return a table as CSV, its header first; a last column marks numbers of miniature data."""
    if not notices(notes):
        return csv_text(table.header, table.rows)
    return csv_text([*table.header, "data"], [[*row, "MINIATURE"] for row in table.rows])


def notices(notes: Sequence[str]) -> list[str]:
    """Return those of ``notes`` without which no number may be shown."""
    return [note for note in notes if "MINIATURE" in note]


def show_table(table: Table, notes: Sequence[str], path: Path | None) -> None:
    """Print a table with its notes; write it, too, where ``path``, without an ending, is given."""
    show_tables([table], notes)
    if path is not None:
        say_written(write_tables([table], notes, path.parent, path.name))


def check_new_tables(path: Path | None, force: bool) -> None:
    """Refuse to write a table over files that are there.

    Args:
        path: as for `show_table`.
        force: write over them.

    Raises:
        ValueError: there is one, or ``path`` names no file.
        OSError: nothing can be written there.
    """
    if path is None:
        return
    if not path.name:
        raise ValueError(f"--out: expected a name without an ending, got {str(path)!r}")
    for file in _paths(path.parent, path.name, count=1):
        if file.exists() and not force:
            raise ValueError(f"{file}: is there already; name another, or use --force")
    check_output_folder(path.parent)


def show_tables(tables: Sequence[Table], notes: Sequence[str]) -> None:
    """Print tables, and their notes below them."""
    print("\n\n".join(as_text(table) for table in tables))
    print("\n" + "\n".join(notes))


def say_written(paths: Iterable[Path]) -> None:
    """Print which files were written."""
    print(f"\nWritten: {', '.join(map(str, paths))}")


def write_tables(
    tables: Sequence[Table], notes: Sequence[str], folder: Path, name: str
) -> list[Path]:
    """Write ``NAME.md``, ``NAME.tex``, and one CSV a table; return their paths."""
    csvs = (as_csv(table, notes) for table in tables)
    texts = [as_markdown(tables, notes), as_latex(tables, notes), *csvs]
    paths = _paths(folder, name, len(tables))
    for path, text in zip(paths, texts, strict=True):
        write_atomically(text, path)
    return paths


def remove_further_csvs(folder: Path, name: str, count: int) -> None:
    """Remove what `write_tables` has left of an earlier call with more than ``count`` tables."""
    for path in folder.glob(f"{glob.escape(name)}_*.csv"):
        number = path.stem.removeprefix(f"{name}_")
        if number.isdecimal() and int(number) > max(count, 1):
            path.unlink()


def _paths(folder: Path, name: str, count: int) -> list[Path]:
    """Return the files of so many tables with their notes: Markdown, LaTeX, and one CSV each."""
    further = (f"_{number}.csv" for number in range(2, count + 1))
    return [folder / f"{name}{ending}" for ending in (".md", ".tex", ".csv", *further)]


_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "^": r"\^{}",
        "~": r"\textasciitilde{}",
    }
)


def _escape(text: str) -> str:
    return text.translate(_LATEX)
