"""A pool's processes end with the process that has started them, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, time
from refnet_mmf.experiments.worker_processes import worker_processes
if __name__ == "__main__":
    with worker_processes(2) as pool:
        found = {pool.submit(os.getpid).result() for _ in range(20)}
        print(*(process for process in pool._processes), flush=True)
        pool.submit(time.sleep, 600)
        pool.submit(time.sleep, 600).result()
"""


def is_there(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL], ids=lambda sent: sent.name)
def test_no_process_is_left(tmp_path, sent):
    script = tmp_path / "pool.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    children = [int(word) for word in parent.stdout.readline().split()]
    assert len(children) == 2 and all(map(is_there, children))
    os.kill(parent.pid, sent)
    assert parent.wait(timeout=60) != 0
    end = time.monotonic() + 60
    while any(map(is_there, children)):
        assert time.monotonic() < end
        time.sleep(0.1)
