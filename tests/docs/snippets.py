"""The blocks of code in a Markdown page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """A block: its language, what else its first line says, and the code."""

    language: str
    words: tuple[str, ...]
    code: str


def snippets(page: Path, language: str) -> list[Snippet]:
    """Return the blocks of a page in a language, in their order."""
    found = []
    for match in FENCE.finditer(page.read_text("utf-8")):
        name, *words = match["info"].split() or [""]
        if name == language:
            found.append(Snippet(name, tuple(words), match["code"]))
    return found
