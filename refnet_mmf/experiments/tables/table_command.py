"""``refnet table N``: a table of the paper, from its runs to Markdown, LaTeX and CSV."""

from __future__ import annotations

import argparse
import sys

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.options import (
    GridError,
    GridOptions,
    add_grid_arguments,
    jobs_for,
    read_grid_options,
)
from refnet_mmf.experiments.grid.run_folder import RunFolderError, versions
from refnet_mmf.experiments.grid.runner import Outcome, run_all
from refnet_mmf.experiments.page import as_text
from refnet_mmf.experiments.tables.paper_tables import TABLES
from refnet_mmf.experiments.tables.score_table import ScoreTable, comparison_rows, score_rows
from refnet_mmf.experiments.tables.table_files import write_tables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet table``."""
    parser.description = (
        "Runs what a table of the paper needs (what is finished is kept, what was cut off goes "
        "on), and writes it as Markdown, LaTeX and CSV, the paper's numbers beside ours. Tables: "
        + "; ".join(f"{name}: {make().title}" for name, make in TABLES.items())
    )
    parser.add_argument("name", metavar="TABLE", help="; ".join(TABLES))
    add_grid_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make the table; return the exit code: 1 where a run has failed."""
    try:
        name = args.name.lower()
        if name not in TABLES:
            raise GridError(unknown("TABLE", "table", args.name, TABLES))
        options = read_grid_options(args)
        table = TABLES[name]()
        jobs = jobs_for(table.cells, options)
        if options.dry_run:
            print("\n".join(job.run.command for job in jobs))
            return 0
        outcome = run_all(jobs, options.workers)
        return _write(table, outcome, jobs, options)
    except (GridError, RunFolderError, OSError) as error:
        print(f"refnet table: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("refnet table: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _write(table: ScoreTable, outcome: Outcome, jobs: list[Job], options: GridOptions) -> int:
    tables = [score_rows(table, outcome.results), comparison_rows(table, outcome.results)]
    made_with = ", ".join(f"{name} {number}" for name, number in versions().items())
    notes = [
        options.notice,
        *table.notes,
        f"Seeds {', '.join(map(str, options.seeds))}; data seeds "
        f"{', '.join(map(str, options.data_seeds))}; {made_with}. The best checkpoint is chosen on "
        "the validation split.",
        *(f"Failed: {job.run.name}: {reason}" for job, reason in outcome.failures.items()),
    ]
    paths = write_tables(
        tables, notes, options.out / "tables", f"table_{table.name}_{options.scale}"
    )
    print("\n\n".join(as_text(part) for part in tables))
    print("\n" + "\n".join(notes))
    print(f"\nWritten: {', '.join(map(str, paths))}")
    if outcome.failures:
        print(f"refnet table: {len(outcome.failures)} of {len(jobs)} runs failed", file=sys.stderr)
    return 1 if outcome.failures else 0
