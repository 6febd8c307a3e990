"""The memory that a function holds at the most, beyond what was there before."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def peak_mebibytes(function: Callable[[], object], device: str = "cpu") -> float:
    """Call ``function`` once and return the most that torch had allocated in it, in MiB.

    Args:
        function: what to call; it is called once beforehand.
        device: ``cpu``, where torch's own record of allocations is added up, or ``cuda``.
    """
    function()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated() - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        function()
    results = recorded.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20
