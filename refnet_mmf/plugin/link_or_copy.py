"""Puts a file in a second place, by a hard link where the file system can."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> bool:
    """Make ``target``, which is not there yet, the same file as ``source``; else a copy of it.

    Returns:
        Whether it is a hard link: no room is taken, and who writes into one writes into both.

    Raises:
        OSError: neither was possible.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without links, or another user's file
        shutil.copyfile(source, target)
        return False
    return True
