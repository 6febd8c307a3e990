"""Whether a folder can be written to, asked before what may take long."""

from __future__ import annotations

import os
from pathlib import Path


def check_output_folder(folder: Path) -> None:
    """Refuse ``--out`` where nothing can be written; the folder itself need not be there.

    Raises:
        OSError: one line.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"--out: {place} is a file, not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(f"--out: {place} cannot be written to")
