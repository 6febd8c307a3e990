"""One run at a time in a folder: two would write over each other's checkpoints without a word."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from refnet_mmf.plugin.errors import RefnetError

LOCK = ".training.lock"


class RunLock:
    """Holds a run's folder, until it is released or the process ends in any way.

    The lock is the process's own: those that it starts, or forks, do not hold it. Where the file
    system knows no locks, there is none.

    Args:
        folder: ``env.save_dir``.

    Raises:
        RefnetError: another process trains there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / LOCK).open("a+", encoding="utf-8")
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.file.seek(0)
            holder = self.file.read().strip()
            self.file.close()
            raise RefnetError(
                f"env.save_dir: {folder}: another run trains there (process {holder}); wait for "
                "it, or choose another folder"
            ) from None
        except OSError:
            return
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()

    def release(self) -> None:
        """Let others train there."""
        with contextlib.suppress(OSError):
            self.file.close()
