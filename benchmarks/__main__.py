"""``python -m benchmarks``: measure, print the table, and put it into the page of benchmarks."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks import losses

PACKAGES = ("torch", "pytorch-metric-learning", "mmf", "refnet_mmf")
SIZES = {"full": ([32, 128, 512, 2048], [512, 768]), "quick": ([8, 16], [8])}


def losses_table(rows: Sequence[losses.Row]) -> str:
    """The rows as a Markdown table."""
    others = list(dict.fromkeys(name for row in rows for name in row.ratios))
    head = ["loss", "B", "D", "type", "ours, ms", *(f"{name}, times ours" for name in others)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row.loss, row.batch, row.width, row.dtype, f"{row.milliseconds:.2f}"]
        cells += [row.ratios.get(name, "-") for name in others]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def machine(device: str) -> str:
    """Processor, or GPU, and the versions that were measured."""
    name = torch.cuda.get_device_name() if device == "cuda" else _processor()
    return f"{name}, one thread; Python {platform.python_version()}, " + ", ".join(
        f"{package} {_version(package)}" for package in PACKAGES
    )


def put(page: Path, part: str, text: str) -> None:
    """Put text between the marks of a part of the page, in place of what is there."""
    begin, end = f"<!-- begin {part} -->\n", f"<!-- end {part} -->"
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page}: has no place for {part!r}: {begin.strip()} ... {end}")
    page.write_text(before + begin + text + "\n" + end + after, "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the losses; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full", help="quick: to see that it works")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--page", type=Path, help="Markdown file to put the table into")
    args = parser.parse_args(arguments)
    batches, widths = SIZES[args.size]
    dtypes = [torch.float32, torch.bfloat16]
    total = len(losses.LOSSES) * len(batches) * len(widths) * len(dtypes)
    rounds, seconds = (30, 4.0) if args.size == "full" else (5, 0.1)
    measured = losses.measure(
        batches, widths, dtypes, rounds=rounds, seconds=seconds, device=args.device
    )
    rows = list(tqdm(measured, desc="losses", unit="row", total=total))
    text = f"{machine(args.device)}\n\n{losses_table(rows)}"
    print(text)
    if args.page:
        put(args.page, f"losses {args.device}", text)
    return 0


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor()}, {os.cpu_count()} processors"
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
    return f"{model or platform.machine()}, {os.cpu_count()} processors"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
