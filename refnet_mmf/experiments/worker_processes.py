"""A pool of processes for long computing, which end with this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from refnet_mmf.experiments.mmf_run import terminated_as_interrupted

PARENT_POLL_SECONDS = 1.0


@contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start ``count`` processes, whose progress bars keep out of each other's way.

    What ends the block early, as Ctrl-C or SIGTERM does, kills them. They end, too, where this
    process is killed.
    """
    context = multiprocessing.get_context("spawn")
    lock = context.RLock()
    with (
        terminated_as_interrupted(),
        ProcessPoolExecutor(
            count, context, initializer=_start, initargs=(lock, os.getpid())
        ) as pool,
    ):
        try:
            with _deaf_to_ctrl_c():
                for _ in range(count):
                    pool.submit(int)
            yield pool
        except BaseException:
            for process in multiprocessing.active_children():
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)
            print(file=sys.stderr)  # after a bar whose process ended within its line
            raise


def _start(lock: Any, parent: int) -> None:
    """Set up a process of the pool."""
    tqdm.set_lock(lock)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, whatever it is at."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Let processes that are started here leave Ctrl-C, which all of a terminal get, to this one.

    A process keeps from its start which signals it ignores.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
