"""Runs MMF's stock ``mmf_run`` in a process of its own, and follows its progress."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from refnet_mmf.experiments.mmf_log import Progress, read_progress

POLL_SECONDS = 0.5
SECONDS_TO_END = (5.0, 30.0)
"""How long a run that should stop is waited for before it is sent SIGINT, and then SIGTERM."""
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


class RunFailed(ValueError):  # noqa: N818
    """A run ended with an error; the message shows its last lines."""


def execute(
    run: Run,
    on_progress: Callable[[int, int], None],
    gpu: int | None = None,
    lock: int | None = None,
    stop: threading.Event | None = None,
) -> float:
    """Run it to its end.

    The process holds the lock of its folder, which a command that was killed leaves to it: started
    again, the command waits for it, and goes on from what it has left.

    Args:
        run: what to run; its folder is made. The log of an earlier part is kept.
        on_progress: called now and then with the updates done and the updates in all.
        gpu: number of the one that it sees, of those that this process sees; None: all of them.
        lock: of its folder, as `locked` gives it; None: it is taken here.
        stop: once it is set, the run is stopped, as it is by an exception in this thread.

    Returns:
        Seconds that it took.

    Raises:
        RunFailed: it ended with an error, or was stopped.
    """
    stop = stop or threading.Event()
    with (
        terminated_as_interrupted(),
        locked(run.folder, stop) if lock is None else nullcontext(lock) as held,
    ):
        return _execute(run, on_progress, gpu, held, stop)


def _execute(
    run: Run,
    on_progress: Callable[[int, int], None],
    gpu: int | None,
    lock: int,
    stop: threading.Event,
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
                if stop.wait(POLL_SECONDS):
                    raise RunFailed(f"{run.name}: stopped")
                for line in read_progress(next(new_lines)):
                    updates = max(updates, line.update)
                    on_progress(updates, line.updates)
        finally:
            _end(process)
    if process.returncode != 0:
        last = run.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise RunFailed(
            f"{run.name}: mmf_run ended with exit code {process.returncode}; its log: {run.log}\n"
            + "\n".join(f"  {line}" for line in last)
        )
    return time.monotonic() - start


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that a process ends: by itself (Ctrl-C in a terminal reaches it, too), or by signals."""
    try:
        for seconds, sent in zip(SECONDS_TO_END, (signal.SIGINT, signal.SIGTERM), strict=True):
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(sent)
        process.wait()
    except KeyboardInterrupt:
        process.kill()
        raise


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Within this context SIGTERM is taken as Ctrl-C is, so that no run is left behind.

    Nothing changes in a thread, or where SIGTERM is handled already.
    """
    usual = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


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
def locked(folder: Path, stop: threading.Event | None = None) -> Iterator[int]:
    """Wait for the lock of a run's folder; give the file that holds it, for the run to keep.

    Raises:
        RunFailed: ``stop`` was set before the lock was there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        if not _taken(file):
            print(f"waiting for the process that still runs in {folder}", file=sys.stderr)
            stop = stop or threading.Event()
            while not _taken(file):
                if stop.wait(POLL_SECONDS):
                    raise RunFailed(f"{folder}: another process still runs there")
        yield file.fileno()


def _taken(file: IO[bytes]) -> bool:
    """Take a file's lock, if it is free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _environment(gpu: int | None) -> Mapping[str, str]:
    name, threads = THREADS.split("=")
    pinned = {name: threads, "TOKENIZERS_PARALLELISM": "false"}
    device = {} if gpu is None else {VISIBLE_GPUS: _name_of(gpu)}
    return {**os.environ, **pinned, **device}


def _name_of(gpu: int) -> str:
    """Return what a GPU is called, by its number among those that this process sees."""
    visible = os.environ.get(VISIBLE_GPUS, "").split(",")
    return visible[gpu].strip() if gpu < len(visible) and visible[gpu].strip() else str(gpu)
