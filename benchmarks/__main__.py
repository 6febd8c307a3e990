"""``python -m benchmarks``: measure, print the tables, and put them into the page of benchmarks."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from benchmarks import full_size, growth, imports, losses, steps
from refnet_mmf.experiments.processor import processor
from refnet_mmf.experiments.table_files import markdown_cells
from refnet_mmf.experiments.versions import spell_versions, versions_with_python

PACKAGES = ("torch", "pytorch-metric-learning", "mmf")

Row = TypeVar("Row")


def losses_part(quick: bool, device: str) -> str:
    """Measure the losses."""
    batches, widths = ([8, 16], [8]) if quick else ([32, 128, 512, 2048], [512, 768])
    dtypes = [torch.float32, torch.bfloat16]
    total = len(losses.LOSSES) * len(batches) * len(widths) * len(dtypes)
    rounds, seconds = (5, 0.1) if quick else (30, 4.0)
    measured = losses.measure(
        batches, widths, dtypes, rounds=rounds, seconds=seconds, device=device
    )
    return _collect(measured, losses_table, desc="losses", unit="row", total=total)


def losses_table(rows: Sequence[losses.Row]) -> str:
    """The rows as a Markdown table."""
    others = list(dict.fromkeys(name for row in rows for name in row.ratios))
    held = list(dict.fromkeys(name for row in rows for name in row.mebibytes))
    head = ["loss", "B", "D", "type", "ours, ms", *others]
    head += [f"{'ours' if name == losses.OURS else name}, MiB" for name in held]
    lines = []
    for row in rows:
        cells = [row.loss, row.batch, row.width, row.dtype, f"{row.milliseconds:.2f}"]
        cells += [row.ratios.get(name, "-") for name in others]
        cells += [f"{row.mebibytes[n]:.1f}" if n in row.mebibytes else "-" for n in held]
        lines.append(cells)
    return markdown_cells(head, lines)


def steps_part(quick: bool, device: str) -> str:
    """Measure the steps of the small models on miniature memes."""
    models, rounds, seconds = (("gmu",), 5, 0.1) if quick else (steps.MODELS, 60, 40.0)
    with miniature_memes() as (data, save):
        measured = steps.measure_steps(
            data, save, models=models, batch=32, rounds=rounds, seconds=seconds
        )
        return _collect(measured, steps.steps_table, desc="steps", unit="model", total=len(models))


def full_steps_part(quick: bool, device: str) -> str:
    """Measure the steps of networks of full size."""
    models = ("gmu",) if quick else steps.MODELS
    batch = 1 if quick else 32 if device == "cuda" else 4
    rounds, seconds = (2, 1.0) if quick else (40, 300.0)
    with miniature_memes() as (data, save):
        full_size.make_encoder(data)
        full_size.write_features(data)
        measured = steps.measure_steps(
            data,
            save,
            models=models,
            batch=batch,
            rounds=rounds,
            seconds=seconds,
            full_size=True,
        )
        table = _collect(
            measured, steps.steps_table, desc="steps at full size", unit="model", total=len(models)
        )
        return f"Batches of {batch}.\n\n{table}"


def _collect(measured: Iterable[Row], table: Callable[[list[Row]], str], **bar: Any) -> str:
    """Measure behind a progress bar; each row is printed at once, so that none is lost."""
    rows: list[Row] = []
    for row in (progress := tqdm(measured, **bar)):
        rows.append(row)
        progress.write(table([row]), file=sys.stderr)
    return table(rows)


@contextmanager
def miniature_memes() -> Iterator[tuple[Path, Path]]:
    """Make the tiny miniature memes; give their folder, and an empty one to save in."""
    from refnet_mmf.cli import main as refnet

    with tempfile.TemporaryDirectory() as folder:
        data, save = Path(folder, "memes"), Path(folder, "save")
        if refnet(["data", "make", "hateful_memes", "--size", "tiny", "--out", str(data)]) != 0:
            raise SystemExit("the miniature memes could not be made")
        yield data, save


def imports_part(quick: bool, device: str) -> str:
    """Measure what the plugin adds to MMF's import."""
    return imports.imports_table(imports.import_times(2 if quick else 15))


def growth_part(quick: bool, device: str) -> str:
    """Measure how the cost grows."""
    rounds, seconds = (5, 0.1) if quick else (20, 15.0)
    measured = growth.measure_growth(rounds=rounds, seconds=seconds)
    return _collect(measured, growth.growth_table, desc="growth", unit="size")


PARTS: dict[str, Callable[[bool, str], str]] = {
    "losses": losses_part,
    "steps": steps_part,
    "imports": imports_part,
    "growth": growth_part,
    "full-steps": full_steps_part,
}
USUAL = ("losses", "steps", "imports", "growth")
"""The parts that are measured where none is named."""


def machine(device: str) -> str:
    """Processor, or GPU, and the versions that were measured."""
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return f"{name}, one thread; {spell_versions(versions_with_python(PACKAGES))}"


def put(page: Path, part: str, text: str) -> None:
    """Put text between the marks of a part of the page, in place of what is there."""
    before, after = split_at(page, part)
    page.write_text(f"{before}{text}\n{after}", "utf-8")


def split_at(page: Path, part: str) -> tuple[str, str]:
    """Return what stands before the place of a part on the page, and after it, marks included."""
    begin, end = f"<!-- begin {part} -->\n", f"<!-- end {part} -->"
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page}: has no place for {part!r}: {begin.strip()} ... {end}")
    return before + begin, end + after


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"of {', '.join(PARTS)} ({', '.join(USUAL)})",
    )
    parser.add_argument("--size", choices=["quick", "full"], default="full", help="quick: a trial")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--page", type=Path, help="Markdown file to put the tables into")
    args = parser.parse_args(arguments)
    for name in args.parts:
        if name not in PARTS:
            parser.error(f"unknown part {name!r} (valid: {', '.join(PARTS)})")
    parts = args.parts or USUAL
    for name in parts if args.page else ():
        split_at(args.page, f"{name} {args.device}")
    for name in parts:
        table = PARTS[name](args.size == "quick", args.device)
        text = f"{machine(args.device)}\n\n{table}"
        print(f"\n{name}\n\n{text}", flush=True)
        if args.page:
            put(args.page, f"{name} {args.device}", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
