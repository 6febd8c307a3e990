"""``refnet report``: tables, figures and the paper's claims on one page."""

from __future__ import annotations

import argparse
import html
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from refnet_mmf.experiments.grid.cell import Scale
from refnet_mmf.experiments.grid.options import MINIATURE_NOTICE, GridError, check_scale
from refnet_mmf.experiments.grid.run_folder import versions
from refnet_mmf.experiments.grid.runner import Outcome
from refnet_mmf.experiments.page import Figure, Page, Section, as_text, render_page
from refnet_mmf.experiments.report.claims import claims_table
from refnet_mmf.experiments.report.collect import Place, figures_below, finished_runs
from refnet_mmf.experiments.tables.paper_tables import TABLES
from refnet_mmf.experiments.tables.score_table import ScoreTable, comparison_rows, score_rows
from refnet_mmf.plugin.atomic_file import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet report``."""
    parser.description = (
        "Writes one page (HTML, with everything in it) of what is finished below the folder of "
        "results: the paper's claims and what was seen of them, the tables, the figures, the "
        "commands. It runs nothing."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of the results (results)"
    )
    parser.add_argument("--scale", default="mini", help="mini (the default) or paper")
    parser.add_argument("--data-dir", type=Path, help="MMF's env.data_dir, for --scale paper")


def run(args: argparse.Namespace) -> int:
    """Write the page; return the exit code."""
    out: Path = args.out.resolve()
    try:
        check_scale(args)
        if not (out / "runs" / args.scale).is_dir() and not figures_below(out):
            raise GridError(
                f"--out: no results in {out}; 'refnet table 2 --out {args.out}' makes some"
            )
    except GridError as error:
        print(f"refnet report: {error}", file=sys.stderr)
        return 1
    data_dir = args.data_dir.resolve() if args.scale == "paper" else None
    page = build_page(Place(out, cast(Scale, args.scale), data_dir))
    path = out / f"report_{args.scale}.html"
    write_atomically(render_page(page), path)
    print(f"{as_text(page.sections[0].tables[0])}\n\n{page.notice}\n\nWritten: {path}")
    return 0


def build_page(place: Place) -> Page:
    """Put what there is at ``place`` on a page."""
    tables = {name: make() for name, make in TABLES.items()}
    outcomes = {name: finished_runs(table.cells, place) for name, table in tables.items()}
    on = "on MINIATURE data" if place.scale == "mini" else f"on {place.data_dir}"
    results = {name: outcome.results for name, outcome in outcomes.items()}
    claims = Section(
        "What the paper claims, and what was seen",
        [
            "Each claim is judged by the comparisons of its table: paired over seeds, with a 95 % "
            "confidence interval of the mean difference. Seen here: every interval lies above 0. "
            "In part: some do, and none below. No comparison is corrected for the others. The best "
            "checkpoint of each run is chosen on the validation split."
        ],
        [claims_table(tables, results, on)],
    )
    sections = [
        claims,
        *(_section(table, outcomes[name]) for name, table in tables.items() if results[name]),
    ]
    drawn = figures_below(place.out)
    if drawn:
        figures = [Figure(html.unescape(t), path.read_bytes()) for t, path in drawn.items()]
        sections.append(Section("Figures", figures=figures))
    return Page(
        title="REFINER: what the runs have come to",
        notice=MINIATURE_NOTICE if place.scale == "mini" else f"Data: {place.data_dir}.",
        sections=sections,
        facts={**versions(), **_facts(outcomes)},
    )


def _section(table: ScoreTable, outcome: Outcome) -> Section:
    """Return a table's part: scores, differences, one command of each experiment."""
    one_of_each = {job.cell: job.run.command for job in outcome.results}
    runs = {(job.data_seed, job.seed) for job in outcome.results}
    notes = [
        f"{len(outcome.results)} finished runs; data seeds and seeds: "
        + ", ".join(f"{data}/{seed}" for data, seed in sorted(runs)),
        *(f"Left out: {job.run.name}: {reason}" for job, reason in outcome.failures.items()),
    ]
    return Section(
        f"Table {table.name}: {table.title}",
        [*table.notes, *notes],
        [score_rows(table, outcome.results), comparison_rows(table, outcome.results)],
        commands=list(one_of_each.values()),
    )


def _facts(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    results = {job: result for o in outcomes.values() for job, result in o.results.items()}
    hours = sum(result.seconds for result in results.values()) / 3600
    return {
        "Python": platform.python_version(),
        "machine of this page": f"{platform.machine()}, {os.cpu_count()} processors",
        "runs": f"{len(results)}, {hours:.1f} hours together",
    }
