"""The runs that a figure is drawn from: checked, run where they are not finished, read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.experiments.grid.cell import Cell, Job
from refnet_mmf.experiments.grid.command_checks import check_commands
from refnet_mmf.experiments.grid.options import (
    GridError,
    jobs_for,
    make_data_for,
    print_commands,
    read_grid_options,
)
from refnet_mmf.experiments.grid.overrides import note_of, read_overrides
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.grid.runner import failure_notes, run_all, unfinished
from refnet_mmf.experiments.run_figures.choices import Defaults
from refnet_mmf.experiments.tables.score_table import (
    Column,
    Scores,
    scores,
    with_columns,
)


@dataclass(frozen=True)
class FigureRuns:
    """Runs that are finished, and what there is to say of them.

    Attributes:
        results: of the finished ones, in the order of the jobs.
        overrides: the further options of the command, which each of them has.
        notes: of the data, the seeds, and the runs that have failed.
        failures: how many have failed.
        miniature: whether the data is.
    """

    results: dict[Job, Result]
    overrides: tuple[str, ...]
    notes: tuple[str, ...]
    failures: int
    miniature: bool

    def heading(self, text: str) -> str:
        """Return a heading for the picture, which says where the data is miniature."""
        return f"MINIATURE data: {text}" if self.miniature else text

    def jobs(self, cell: Cell) -> list[Job]:
        """Return the finished jobs of a cell, in the order of their seeds."""
        asked = cell.with_options(self.overrides)
        return [job for job in self.results if job.cell == asked]

    def scores(self, cell: Cell, column: Column) -> Scores:
        """Return a cell's values of a metric in per cent, by data seed and seed."""
        return scores(self.results, cell.with_options(self.overrides), column)


def run_cells(
    cells: Sequence[Cell],
    args: argparse.Namespace,
    columns: Sequence[Column] = (),
    *,
    reads_data: bool = False,
) -> FigureRuns | None:
    """Run what is not finished of ``cells``, or print the commands.

    Args:
        cells: the experiments.
        args: of the command.
        columns: what the figure shows of the runs on its data set; a run without is not shown.
        reads_data: whether the figure reads the data of finished runs, too.

    Returns:
        The runs; None: nothing but the commands was asked for.

    Raises:
        ValueError: one line: an option is wrong, the data is missing, or no run is finished.
    """
    options = read_grid_options(args)
    overrides = read_overrides(args.overrides, cells, "the figure")
    jobs = jobs_for([cell.with_options(overrides) for cell in cells], options)
    if options.dry_run:
        check_commands(jobs if overrides else [], with_data=False)
        print_commands(jobs, options)
        return None
    make_data_for(jobs if reads_data else unfinished(jobs), options)
    check_commands(jobs, with_data=True)
    outcome = with_columns(
        run_all(jobs, options.workers, submission=options.submission),
        lambda cell: [column for column in columns if column.data_set == cell.data_set],
    )
    if not outcome.results:
        raise GridError(_why_none(list(outcome.failures.values())))
    return FigureRuns(
        {job: outcome.results[job] for job in jobs if job in outcome.results},
        overrides,
        (
            options.notice,
            f"Seeds {_listed(options.seeds)}; data seeds {_listed(options.data_seeds)}. The best "
            "checkpoint is chosen on the validation split.",
            *note_of(overrides),
            *failure_notes(outcome.failures),
        ),
        len(outcome.failures),
        options.scale == "mini",
    )


def place(name: str, args: argparse.Namespace, defaults: Defaults) -> tuple[Path, str]:
    """Return folder and name of a figure's files; the name holds what is not the default."""
    chosen = [
        given.replace(",", "-")
        for given, usual in (
            (args.data_set, ",".join(defaults.data_sets)),
            (args.model, ",".join(defaults.models)),
        )
        if given != usual
    ]
    return args.out / "figures", "_".join([name, *chosen, args.scale])


def _why_none(failures: Sequence[str]) -> str:
    """Say in one line why there is nothing to draw."""
    first = failures[0].splitlines()[0]
    return f"none of {len(failures)} runs is finished; the first: {first}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
