"""Times of functions that do the same work, measured in turn: the machine's mood is shared."""

from __future__ import annotations

import random
import time
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

SHORTEST = 0.02
"""Seconds that one measurement takes at the least: shorter functions are repeated within it."""


@dataclass(frozen=True)
class Ratio:
    """How many times longer one function takes than another: median and 95 % interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.low:.1f}-{self.high:.1f})"


def interleaved_times(
    functions: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    threads: int = 1,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Measure every function once a round, in an order that is drawn anew each round.

    Args:
        functions: what to call, by name; each is called once beforehand to warm up.
        rounds: how many rounds at the most.
        seconds: after this time no further round begins, once there were five.
        threads: threads of torch on the CPU.
        seed: of the orders.

    Returns:
        Seconds a call of each function, one entry a round. On a GPU the device is waited for.
    """
    order = random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in functions}
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for function in functions.values():
            function()
        repeats = {
            name: max(1, round(SHORTEST / seconds_a_call(function, 1)))
            for name, function in functions.items()
        }
        begin = time.monotonic()
        for done in range(rounds):
            if done >= 5 and time.monotonic() - begin > seconds:
                break
            for name in order.sample(list(functions), len(functions)):
                times[name].append(seconds_a_call(functions[name], repeats[name]))
    finally:
        torch.set_num_threads(before)
    return times


def seconds_a_call(function: Callable[[], object], calls: int) -> float:
    """Measure the mean of some calls; torch's own timer would make two more each time."""

    def call() -> None:
        for _ in range(calls):
            function()
        _wait_for_gpu()

    _wait_for_gpu()
    return timeit.timeit(call, number=1) / calls


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ratio(times: list[float], reference: list[float], seed: int = 0) -> Ratio:
    """Compare two functions' times of the same rounds.

    Args:
        times: of the function in the numerator.
        reference: of that in the denominator, as many.
        seed: of the bootstrap.

    Returns:
        The median of the rounds' ratios, and the 2.5 and 97.5 percentiles of 2000 medians of
        rounds drawn with replacement.
    """
    ratios = np.asarray(times) / np.asarray(reference)
    drawn = np.random.default_rng(seed).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return Ratio(float(np.median(ratios)), float(low), float(high))
