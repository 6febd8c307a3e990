"""``refnet figure``: a figure of the paper as SVG and PNG, with its numbers as CSV."""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.csv_text import csv_text
from refnet_mmf.experiments.figure_files import (
    figure_paths,
    png_bytes,
    svg_bytes,
    write_together,
)
from refnet_mmf.experiments.figure_registry import FIGURES
from refnet_mmf.experiments.one_line_parser import OneLineParser, positive_number
from refnet_mmf.experiments.plain_table import as_text
from refnet_mmf.experiments.run_figures import figure_runs
from refnet_mmf.experiments.versions import OF_A_RUN, spell_versions, versions_with_python

PACKAGES = ("numpy", "matplotlib")
NOT_OF_THE_NUMBERS = ("out", "workers", "dry_run", "submit")
"""The options that change no number; nor does one of SLURM."""
REPEATED = ("only",)
"""The options that are given once for each of their values."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet figure``."""
    parser.add_argument(
        "name", metavar="FIGURE", nargs="?", help=f"{', '.join(FIGURES)}; without it: the list"
    )
    parser.add_argument(
        "options",
        metavar="...",
        nargs=argparse.REMAINDER,
        help="--out DIR, --seeds N and what else the figure has: refnet figure FIGURE --help",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the figure that was named, or list all; return the exit code."""
    if args.name is None:
        print("\n".join(f"{name:4}{entry.help}" for name, entry in FIGURES.items()))
        return 0
    if args.name not in FIGURES:
        print(f"refnet figure: {unknown('FIGURE', 'figure', args.name, FIGURES)}", file=sys.stderr)
        return 2
    args.prog = f"refnet figure {args.name}"
    if FIGURES[args.name].on_runs:
        args.goes_on = True
    return draw(args.name, args.options)


def draw(name: str, words: Sequence[str]) -> int:
    """Compute, draw and write figure ``name`` with the options ``words``; return the exit code."""
    start = time.monotonic()
    entry = FIGURES[name]
    module = importlib.import_module(entry.module)
    args = parse_options(name, words)
    folder, stem = args.out, name
    if entry.on_runs:
        folder, stem = figure_runs.place(name, args, module.DEFAULTS)
    paths = figure_paths(folder, stem)
    drawn = module.make(args)
    if drawn is None:
        return 0
    made = command(name, args)
    facts = [
        *(entry.title, *drawn.notes, *drawn.lines),
        *(f"Command: {made}", f"Made by {made_by(entry.on_runs)}"),
    ]
    text = {"Title": f"Figure {name}: {entry.title}", "Description": "\n".join(facts[1:])}
    svg, png, csv = paths
    write_together(
        {
            svg: svg_bytes(drawn.picture, text),
            png: png_bytes(drawn.picture, text),
            csv: csv_text(drawn.columns, drawn.rows, facts).encode(),
        }
    )
    print("\n".join([as_text(drawn.table), "", *drawn.notes, "", *map(str, paths)]))
    print(f"Took {time.monotonic() - start:.0f} seconds.")
    if drawn.failures:
        count = f"{drawn.failures} run{'s' * (drawn.failures > 1)}"
        print(f"refnet figure {name}: {count} failed", file=sys.stderr)
    return 1 if drawn.failures else 0


def parse_options(name: str, words: Sequence[str]) -> argparse.Namespace:
    """Parse the options of figure ``name``; end the process in one line if they are wrong."""
    return options_parser(name).parse_args(words)


def options_parser(name: str) -> OneLineParser:
    """Return the parser of the options of figure ``name``."""
    entry = FIGURES[name]
    parser = OneLineParser(prog=f"refnet figure {name}", description=entry.help)
    if not entry.on_runs:
        parser.add_argument(
            "--out", type=Path, default=Path("figures"), metavar="DIR", help="folder (figures)"
        )
        parser.add_argument(
            "--seeds", type=positive_number, default=5, metavar="N", help="how many draws (5)"
        )
    importlib.import_module(entry.module).add_arguments(parser)
    return parser


def command(name: str, args: argparse.Namespace) -> str:
    """Return the command that makes the same numbers, with every option that they depend on."""
    words = ["refnet", "figure", name]
    options = dict(vars(args))
    further = options.pop("overrides", [])
    for key, value in sorted(options.items()):
        if value is None or key in NOT_OF_THE_NUMBERS or key.startswith("slurm_"):
            continue
        option = f"--{key.replace('_', '-')}"
        if key in REPEATED:
            words += [word for one in value for word in (option, str(one))]
        else:
            words += [option, *map(str, value if isinstance(value, list) else [value])]
    return shlex.join([*words, *further])


def made_by(on_runs: bool) -> str:
    """Name the versions that the numbers and the drawing depend on."""
    packages = (*PACKAGES, *((*OF_A_RUN, "scikit-learn") if on_runs else ()))
    return spell_versions(versions_with_python(packages))
