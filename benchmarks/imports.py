"""Seconds that it takes to import torch and MMF, and refnet_mmf after each of them."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np

from benchmarks.interleaved import ratio
from refnet_mmf.experiments.table_files import markdown_cells

BEFORE = {
    "torch": "import torch",
    "MMF": "from mmf.utils.env import setup_imports; setup_imports()",
}
PROGRAM = """
import time
begin = time.perf_counter()
{before}
between = time.perf_counter()
import refnet_mmf
{register}
print(between - begin, time.perf_counter() - between)
"""


def import_times(rounds: int, seed: int = 0) -> dict[str, list[tuple[float, float]]]:
    """Time the imports in a new process, once a round, in an order drawn anew each round.

    Returns:
        Of each that comes before, its seconds and those of refnet_mmf after it, a pair a round.
    """
    order = random.Random(seed)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in BEFORE}
    for _ in range(rounds):
        for name in order.sample(list(BEFORE), len(BEFORE)):
            register = "refnet_mmf.register()" if name == "MMF" else ""
            program = PROGRAM.format(before=BEFORE[name], register=register)
            done = subprocess.run(
                [sys.executable, "-c", program], check=True, capture_output=True, text=True
            )
            first, second = map(float, done.stdout.split()[-2:])
            times[name].append((first, second))
    return times


def imports_table(times: dict[str, list[tuple[float, float]]]) -> str:
    """Return the times as a Markdown table, each with the interval of its median."""
    rows = []
    for name, pairs in times.items():
        cells = []
        for values in np.asarray(pairs).T:
            found = ratio(list(values), [1.0] * len(values))
            cells.append(f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})")
        rows.append((name, *cells))
    return markdown_cells(("after", "its own seconds", "seconds of refnet_mmf"), rows)
