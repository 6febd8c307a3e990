"""The SHA-256 of a file."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

CHUNK = 1 << 20


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
