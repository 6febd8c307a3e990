"""Renders a report as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from refnet_mmf.experiments.plain_table import Table

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Figure:
    """A picture with its caption."""

    caption: str
    svg: bytes

    @property
    def source(self) -> str:
        """The picture as a data URL."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


@dataclass(frozen=True)
class Section:
    """A part of the page: text, then tables, figures and commands."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    commands: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: its heading.
        notice: what every reader must know before any number, e.g. that the data is miniature.
        sections: its parts.
        facts: versions, seed and so on, shown at the end.
    """

    title: str
    notice: str
    sections: Sequence[Section]
    facts: Mapping[str, str] = field(default_factory=dict)


def render_page(page: Page) -> str:
    """Render ``page``; everything that is shown is escaped, and no number is broken in two."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["unbroken"] = unbroken
    return environment.get_template("page.html").render(page=page)


def unbroken(cell: str) -> str:
    """Return a cell whose numbers are not broken between two lines."""
    return re.sub(r"(?<=\d) (±|to) (?=[-+]?\d)", "\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", cell)
