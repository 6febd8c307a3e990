"""What this machine computes with."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor() -> str:
    """Name the processor, and how many there are."""
    cpu = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpu.read_text() if cpu.is_file() else "").splitlines()
        if line.startswith("model name")
    ]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} processors"
