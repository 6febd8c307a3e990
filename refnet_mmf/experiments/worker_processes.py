"""A pool of processes for long computing, which end with this one."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start ``count`` processes, whose progress bars keep out of each other's way.

    What ends the block early, as Ctrl-C does, kills them.
    """
    context = multiprocessing.get_context("spawn")
    lock = context.RLock()
    with ProcessPoolExecutor(count, context, initializer=tqdm.set_lock, initargs=(lock,)) as pool:
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
