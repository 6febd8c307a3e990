"""The rules as a table that people read."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from refnet_mmf.porting import rules_main, rules_pypi
from refnet_mmf.porting.rule import Kind, Rule

LINES: dict[str, Sequence[Rule]] = {
    f"mmf {rules_pypi.VERSION}, from the package index": rules_pypi.RULES,
    "MMF's main branch, from a checkout": rules_main.RULES,
}
_KINDS: dict[Kind, str] = {
    "port": "to run on current libraries",
    "mend": "what MMF as published has wrong",
}


def as_text(width: int = 100) -> str:
    """All rules for a terminal, grouped by kind.

    Args:
        width: Columns of the terminal.

    Returns:
        The table of each line of MMF.
    """

    def wrapped(text: str, indent: str) -> str:
        return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)

    parts = []
    for line, rules in LINES.items():
        parts.append(f"{line}: {len(rules)} rules")
        for kind, meaning in _KINDS.items():
            parts.append(f"\n  {kind}: {meaning}")
            for row in _rows(rules, kind):
                places = f" ({row.places} places)" if row.places > 1 else ""
                parts.append(wrapped(row.why + places, " " * 4))
                parts.append(wrapped(", ".join(row.files), " " * 8))
        parts.append("")
    return "\n".join(parts).rstrip()


def as_markdown() -> str:
    """All rules for the documentation, grouped by kind.

    Returns:
        A table for each kind of each line of MMF.
    """
    parts = []
    for line, rules in LINES.items():
        for kind, meaning in _KINDS.items():
            parts.append(f"## {line}: {kind}, {meaning}\n")
            parts.append("| why | files | places |\n|---|---|---|")
            parts.extend(
                f"| {row.why} | {', '.join(f'`{file}`' for file in row.files)} | {row.places} |"
                for row in _rows(rules, kind)
            )
            parts.append("")
    return "\n".join(parts).rstrip()


class _Row(NamedTuple):
    why: str
    files: list[str]
    places: int


def _rows(rules: Iterable[Rule], kind: Kind) -> list[_Row]:
    """One row for each reason: rules that share it stand together."""
    rows: dict[str, _Row] = {}
    for rule in rules:
        if rule.kind == kind:
            _, files, places = rows.get(rule.why, _Row(rule.why, [], 0))
            files = files + [file for file in rule.files if file not in files]
            rows[rule.why] = _Row(rule.why, files, places + rule.count * len(rule.files))
    return list(rows.values())
