"""Tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def csv_text(
    columns: Sequence[str], rows: Iterable[Sequence[object]], comments: Iterable[str] = ()
) -> str:
    """Return a table as CSV, below lines of comment; floats have six significant digits."""
    text = io.StringIO()
    for comment in comments:
        text.writelines(f"# {line}\n" for line in comment.splitlines())
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row)
    return text.getvalue()
