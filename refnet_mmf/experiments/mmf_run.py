"""Runs MMF's stock ``mmf_run`` in a process of its own, and follows its progress."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.experiments.mmf_log import Progress, read_progress

POLL_SECONDS = 0.5
LAST_LINES = 12
LOCK = "run.lock"
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
THREADS = "OMP_NUM_THREADS=1"
"""A run computes with one thread, on every machine and beside others: its number depends on it."""


@dataclass(frozen=True)
class Run:
    """One ``mmf_run``.

    Attributes:
        name: what it is called in messages.
        options: the options of the command, without those that say where it writes.
        folder: where it writes; its log is ``log.txt`` there.
    """

    name: str
    options: Sequence[str]
    folder: Path

    @property
    def arguments(self) -> list[str]:
        """The options of the command, all of them."""
        return ["env.user_dir=refnet_mmf", *self.options, f"env.save_dir={self.folder}"]

    @property
    def command(self) -> str:
        """The command, as it can be typed."""
        return f"{THREADS} {shlex.join(['mmf_run', *self.arguments])}"

    @property
    def log(self) -> Path:
        """Where everything that it prints goes."""
        return self.folder / "log.txt"

    def progress(self) -> list[Progress]:
        """Return the progress lines that it has printed up to now."""
        if not self.log.exists():
            return []
        return list(read_progress(self.log.read_text(errors="replace").splitlines()))


class RunFailed(RuntimeError):  # noqa: N818
    """A run ended with an error; the message shows its last lines."""


def execute(
    run: Run,
    on_progress: Callable[[int, int], None],
    gpu: int | None = None,
    lock: int | None = None,
) -> float:
    """Run it to its end.

    The process holds the lock of its folder, which a command that was killed leaves to it: started
    again, the command waits for it, and goes on from what it has left.

    Args:
        run: what to run; its folder is made. The log of an earlier part is kept.
        on_progress: called now and then with the updates done and the updates in all.
        gpu: number of the one that it sees, of those that this process sees; None: all of them.
        lock: of its folder, as `locked` gives it; None: it is taken here.

    Returns:
        Seconds that it took.

    Raises:
        RunFailed: it ended with an error.
    """
    with locked(run.folder) if lock is None else nullcontext(lock) as held:
        return _execute(run, on_progress, gpu, held)


def _execute(
    run: Run, on_progress: Callable[[int, int], None], gpu: int | None, lock: int
) -> float:
    start = time.monotonic()
    with run.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmf_cli.run", *run.arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(gpu),
            pass_fds=[lock],
        )
        updates = 0
        new_lines = _follow(run.log)
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                for line in read_progress(next(new_lines)):
                    updates = max(updates, line.update)
                    on_progress(updates, line.updates)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        last = run.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise RunFailed(
            f"{run.name}: mmf_run ended with exit code {process.returncode}; "
            f"the last lines of {run.log}:\n" + "\n".join(f"  {line}" for line in last)
        )
    return time.monotonic() - start


def empty_folder(run: Run) -> None:
    """Remove what an earlier process has left in a run's folder, once that has ended."""
    with locked(run.folder):
        for path in run.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()


def _follow(file: Path) -> Iterator[list[str]]:
    """Yield, each time, the lines that were written since the last time."""
    rest = b""
    with file.open("rb") as log:
        while True:
            *lines, rest = (rest + log.read()).split(b"\n")
            yield [line.decode(errors="replace") for line in lines]


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Wait for the lock of a run's folder; give the file that holds it, for the run to keep."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for the process that still runs in {folder}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _environment(gpu: int | None) -> Mapping[str, str]:
    name, threads = THREADS.split("=")
    pinned = {name: threads, "TOKENIZERS_PARALLELISM": "false"}
    device = {} if gpu is None else {VISIBLE_GPUS: _name_of(gpu)}
    return {**os.environ, **pinned, **device}


def _name_of(gpu: int) -> str:
    """Return what a GPU is called, by its number among those that this process sees."""
    visible = os.environ.get(VISIBLE_GPUS, "").split(",")
    return visible[gpu].strip() if gpu < len(visible) and visible[gpu].strip() else str(gpu)
