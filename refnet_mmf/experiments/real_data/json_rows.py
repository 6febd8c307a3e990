"""JSON objects from files that others wrote; what is wrong is named by file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refnet_mmf.experiments.real_data.description import DataError


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: UTF-8, without a byte order mark, which MMF would stop at.

    Raises:
        ValueError: it is no JSON, or no object.
    """
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object {{...}}, got {value!r:.60}")
    return value


def read_object(file: Path, place: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        file: the file.
        place: what to call it in messages.

    Raises:
        DataError: it is no JSON, or no object.
    """
    return _parse(file.read_bytes(), place)


def read_rows(file: Path, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a file that holds a JSON object on each line; yield each one's place and itself.

    Raises:
        DataError: a line is no JSON, or no object.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            where = f"{place}, line {number}"
            yield where, _parse(line, where)


def _parse(text: bytes, place: str) -> dict[str, Any]:
    try:
        return parse_object(text)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None
