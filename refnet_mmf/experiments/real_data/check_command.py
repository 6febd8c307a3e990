"""``refnet data check``: whether the files of a data set are fit to train on."""

from __future__ import annotations

import argparse
from pathlib import Path

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.mmf_zoo import mmf_folder
from refnet_mmf.experiments.plain_table import Table, as_text
from refnet_mmf.experiments.real_data.check import Check, check
from refnet_mmf.experiments.real_data.description import DataError, DataSet
from refnet_mmf.experiments.real_data.findings import (
    ANNOTATIONS,
    INPUTS,
    MISSING,
    usable_inputs,
)
from refnet_mmf.experiments.real_data.known import DATA_SETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet data check``."""
    parser.add_argument("name", metavar="NAME", help=f"as in MMF: {', '.join(DATA_SETS)}")
    parser.add_argument("folder", metavar="DIR", type=Path, help="env.data_dir")
    parser.add_argument(
        "--all",
        action="store_true",
        help="read all rows, pictures and features, not the first hundred",
    )
    parser.add_argument(
        "--own",
        action="store_true",
        help="data of your own in this form: any number of rows, classes of its own",
    )
    parser.add_argument(
        "--mark",
        action="store_true",
        help="mark what is fit as complete, so that MMF downloads nothing in its place",
    )


def run(args: argparse.Namespace) -> int:
    """Check the data set; return 0 if a run can start from its files."""
    if args.name not in DATA_SETS:
        raise DataError(unknown("NAME", "data set", args.name, DATA_SETS))
    data_set = DATA_SETS[args.name]
    _refuse_inner_folder(args.folder.resolve(), args.name)
    done = check(data_set, args.folder, everything=args.all, mark=args.mark, own=args.own)
    print(report(data_set, args.folder.resolve(), done))
    return 0 if usable_inputs(done.findings) else 1


def _refuse_inner_folder(folder: Path, name: str) -> None:
    """Refuse the folder ``datasets`` in place of the one above it."""
    if folder.name == "datasets" and (folder / name).is_dir():
        raise DataError(f"{folder}: holds the data sets; DIR is the folder above, {folder.parent}")


def report(data_set: DataSet, data_dir: Path, done: Check) -> str:
    """Word what was found: a table, what is wrong, what is missing, what can be used."""
    findings = done.findings
    rows = [(f.what, f.found, f.expected, f.verdict) for f in findings]
    caption = f"{data_set.name} in {data_dir}: {done.origin}"
    lines = [as_text(Table(caption, ("what", "found", "expected", ""), rows)), ""]
    if mmf_folder() is None:
        lines.append("MMF is not installed: the marks are compared with its PyPI line's zoo.")
    lines += [f"{f.verdict}: {f.detail}" for f in findings if f.detail]
    for part in (ANNOTATIONS, *INPUTS):
        if any(f.part == part and f.verdict == MISSING for f in findings):
            where = data_set.sources[part].format(data_dir=data_dir, datasets=data_dir / "datasets")
            lines.append(f"{part} are missing: {where}")
    inputs = usable_inputs(findings)
    lines.append(f"Fit to train on: {' and '.join(inputs) if inputs else 'no'}")
    return "\n".join(lines)
