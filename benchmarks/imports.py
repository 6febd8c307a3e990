"""Seconds that it takes to import MMF, with the plugin and without, and the core alone."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Mapping

from benchmarks.interleaved import Ratio, ratio

MMF = "from mmf.utils.env import setup_imports; setup_imports()"
COMMANDS = {
    "torch": "import torch",
    "torch, refnet_mmf": "import torch, refnet_mmf",
    "MMF": MMF,
    "MMF, refnet_mmf": f"{MMF}; import refnet_mmf; refnet_mmf.register()",
}


def import_times(rounds: int, seed: int = 0) -> dict[str, list[float]]:
    """Time each import in a new process, once a round, in an order drawn anew each round.

    Returns:
        Seconds of each, one entry a round.
    """
    order = random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name in order.sample(list(COMMANDS), len(COMMANDS)):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", COMMANDS[name]], check=True, capture_output=True)
            times[name].append(time.perf_counter() - begin)
    return times


def added(times: Mapping[str, list[float]], with_ours: str, without: str) -> Ratio:
    """Return the seconds that ours adds: median of the rounds' differences, and its interval."""
    differences = [a - b for a, b in zip(times[with_ours], times[without], strict=True)]
    return ratio(differences, [1.0] * len(differences))


def imports_table(times: Mapping[str, list[float]]) -> str:
    """Return the times as a Markdown table."""
    lines = ["| import | seconds | added by refnet_mmf |", "|---|---|---|"]
    for name, values in times.items():
        base = name.removesuffix(", refnet_mmf")
        more = "-"
        if base != name:
            found = added(times, name, base)
            more = f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"
        lines.append(f"| {name} | {sorted(values)[len(values) // 2]:.2f} | {more} |")
    return "\n".join(lines)
