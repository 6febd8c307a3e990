"""The lines of a class file: one class each, as MMF looks labels up there. Needs no MMF.

MMF puts labels into lower case before it looks them up, and the class file not: a class with a
capital letter has no sample, and nothing says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNKNOWN_CLASS = "<unk>"
"""A line that MMF adds where it is missing: no class."""


def class_lines(text: str) -> list[str]:
    """Return the lines of a class file; what follows the end of the last line is no line."""
    lines = [line.strip() for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def processed(label: str) -> str:
    """Return a label as MMF's processor of words leaves it."""
    return label.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()


def problem_of_classes(lines: Sequence[str], process: Callable[[str], str]) -> str:
    """Say which line is no class that a label can match, and what to write; nothing if all are.

    Args:
        lines: of the class file.
        process: what MMF does with a label before it looks it up.
    """
    first: dict[str, int] = {}
    for number, name in enumerate(lines, 1):
        if not name:
            return f"line {number}: is empty, and would be a class: remove it"
        if name != process(name):
            return (
                f"line {number}: no label can match the class {name!r}, as MMF puts labels into "
                f"lower case and takes commas out: write {process(name)!r}"
            )
        if name in first:
            return f"line {number}: {name!r} is the class of line {first[name]} already"
        first[name] = number
    return ""
