"""Renders a report as Markdown, its pictures in files beside it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from refnet_mmf.experiments.page import Page, Section, unbroken
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.table_files import markdown_cells
from refnet_mmf.plugin.atomic_file import write_atomically

PICTURE = "picture"
"""What a report's pictures are called: not as figures are, which the next report looks for."""


def write_markdown(page: Page, path: Path) -> list[Path]:
    """Write ``page`` to ``path``, and its pictures into a folder of that name without the ending.

    Returns:
        The files.

    Raises:
        OSError: one could not be written.
    """
    pictures = path.with_suffix("")
    files: list[Path] = []
    parts = [f"# {_escape(page.title)}", f"**{_escape(page.notice)}**"]
    for section in page.sections:
        parts += _text_of(section)
        for figure in section.figures:
            file = pictures / f"{PICTURE}_{len(files) + 1}.svg"
            write_atomically(figure.svg, file)
            files.append(file)
            parts.append(f"![{_escape(figure.caption)}]({quote(f'{pictures.name}/{file.name}')})")
        if section.commands:
            parts.append("\n".join(["```text", *section.commands, "```"]))
    if page.facts:
        facts = [f"* {_escape(name)}: {_escape(value)}" for name, value in page.facts.items()]
        parts += ["## How this was made", "\n".join(facts)]
    write_atomically("\n\n".join(parts) + "\n", path)
    for older in pictures.glob(f"{PICTURE}_*.svg"):
        if older not in files:
            older.unlink()
    return [path, *files]


def _text_of(section: Section) -> list[str]:
    paragraphs = [_escape(paragraph) for paragraph in section.paragraphs]
    return [f"## {_escape(section.title)}", *paragraphs, *map(_table, section.tables)]


def _table(table: Table) -> str:
    header = [_escape(cell) for cell in table.header]
    rows = [[_escape(unbroken(cell)) for cell in row] for row in table.rows]
    return f"*{_escape(table.caption)}*\n\n{markdown_cells(header, rows)}"


def _escape(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for character in "\\`*_<[|":
        text = text.replace(character, f"\\{character}")
    return text
