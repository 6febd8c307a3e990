"""The runs that a figure is drawn from: checked, run where they are not finished, read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.grid.runner import failure_notes, run_all, unfinished
from refnet_mmf.experiments.run_figures.choices import Defaults, read_overrides
from refnet_mmf.experiments.tables.score_table import Column, Scores, scores


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
        asked = with_options(cell, self.overrides)
        return [job for job in self.results if job.cell == asked]

    def scores(self, cell: Cell, column: Column) -> Scores:
        """Return a cell's values of a metric in per cent, by data seed and seed."""
        return scores(self.results, with_options(cell, self.overrides), column)


def with_options(cell: Cell, overrides: tuple[str, ...]) -> Cell:
    """Return a cell with the further options of the command."""
    return replace(cell, overrides=(*cell.overrides, *overrides))


def run_cells(
    cells: Sequence[Cell], args: argparse.Namespace, *, reads_data: bool = False
) -> FigureRuns | None:
    """Run what is not finished of ``cells``, or print the commands.

    Args:
        cells: the experiments.
        args: of the command.
        reads_data: whether the figure reads the data of finished runs, too.

    Returns:
        The runs; None: nothing but the commands was asked for.

    Raises:
        ValueError: one line: an option is wrong, the data is missing, or no run is finished.
    """
    options = read_grid_options(args)
    overrides = read_overrides(args.overrides)
    _check_free(overrides, cells)
    jobs = jobs_for([with_options(cell, overrides) for cell in cells], options)
    if options.dry_run:
        check_commands(jobs if overrides else [], with_data=False)
        print_commands(jobs, options)
        return None
    make_data_for(jobs if reads_data else unfinished(jobs), options)
    check_commands(jobs, with_data=True)
    outcome = run_all(jobs, options.workers, submission=options.submission)
    if not outcome.results:
        raise GridError(_why_none(list(outcome.failures.values())))
    return FigureRuns(
        {job: outcome.results[job] for job in jobs if job in outcome.results},
        overrides,
        (
            options.notice,
            f"Seeds {_listed(options.seeds)}; data seeds {_listed(options.data_seeds)}. The best "
            "checkpoint is chosen on the validation split.",
            *failure_notes(outcome.failures),
        ),
        len(outcome.failures),
        options.scale == "mini",
    )


def _check_free(overrides: Sequence[str], cells: Sequence[Cell]) -> None:
    """Refuse an option that the experiments of the figure set themselves.

    Raises:
        GridError: one line.
    """
    for key in (override.partition("=")[0] for override in overrides):
        for cell in cells:
            arguments = cell.run("mini", Path(), 0, Path()).arguments
            taken = {argument.partition("=")[0] for argument in arguments}
            if any(f"{key}.".startswith(f"{own}.") or own.startswith(f"{key}.") for own in taken):
                raise GridError(f"{key}: is set by the figure, and can't be an option of its runs")


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
