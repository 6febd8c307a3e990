"""``refnet tune``: search for gamma and zeta on the validation split; the test split waits."""

from __future__ import annotations

import argparse
import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from optuna.exceptions import OptunaError

from refnet_mmf.core.messages import first_line, unknown
from refnet_mmf.experiments.experiment_names import METRICS as NAMED_METRICS
from refnet_mmf.experiments.experiment_names import NAMES
from refnet_mmf.experiments.grid.cell import Cell, Job, jobs_of
from refnet_mmf.experiments.grid.command_checks import check_commands
from refnet_mmf.experiments.grid.options import (
    DataDirs,
    GridError,
    GridOptions,
    add_grid_arguments,
    data_dirs_for,
    make_data_for,
    print_commands,
    read_grid_options,
)
from refnet_mmf.experiments.grid.overrides import note_of
from refnet_mmf.experiments.grid.run_folder import YAML_FILES, Result
from refnet_mmf.experiments.grid.runner import Outcome, failure_notes, run_all
from refnet_mmf.experiments.grid.yaml_hashes import yaml_hashes
from refnet_mmf.experiments.miniature.command import LARGEST_SEED
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.table_files import say_written, show_tables, write_tables
from refnet_mmf.experiments.tables.score_table import with_columns
from refnet_mmf.experiments.tune.record import Record, write_record
from refnet_mmf.experiments.tune.results import choice_columns, choice_rows, trial_rows
from refnet_mmf.experiments.tune.search import Search, Trial
from refnet_mmf.experiments.tune.space import Space, baseline_cell, read_range, searched_cell
from refnet_mmf.experiments.versions import spell_versions, versions
from refnet_mmf.paths import PROJECTS

METRICS = {data_set: tuple(named.values()) for data_set, named in NAMED_METRICS.items()}
"""What a data set is judged by; the first one is what a search goes by unless it is told."""
PAPER_RANGE = "0:0.3"
SET_BY_THE_SEARCH = ("config", "model", "dataset", "run_type", "training.seed")
WEIGHTS = (".refiner.weights", ".metric_loss.weight")


@dataclass(frozen=True)
class TuneOptions:
    """A search.

    Attributes:
        grid: how its runs are run.
        data_set: MMF's key of the data set.
        model: a folder of ``projects/<data set>/configs``.
        metric: what a trial is judged by, on the validation split.
        space: what is searched over.
        trials: how many settings are tried.
        parallel: how many at a time.
        seed: of what is drawn.
        overrides: further options for every run.
        search_only: leave the test split alone at the end, too.
        skip_failed: choose among the trials that are finished.
    """

    grid: GridOptions
    data_set: str
    model: str
    metric: str
    space: Space
    trials: int
    parallel: int
    seed: int
    overrides: tuple[str, ...]
    search_only: bool
    skip_failed: bool

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"tune_{self.data_set}_{self.model}_{self.grid.scale}"

    @property
    def path(self) -> Path:
        """Where the search is kept."""
        return self.grid.out / "tune" / f"{self.name}.db"

    @property
    def final_seeds(self) -> tuple[int, ...]:
        """The seeds of the end, as many as the search has: the smallest that it has not.

        Its own have been searched: the best of many settings owes a part of its score to them.
        """
        others = (seed for seed in count() if seed not in self.grid.seeds)
        return tuple(islice(others, len(self.grid.seeds)))

    @property
    def _yaml_files(self) -> dict[str, str]:
        """What the YAML files say that trials are made with, as hashes."""
        cells = [Cell(self.data_set, self.model, variant) for variant in ("refnet", "refnetms")]
        runs = [cell.run(self.grid.scale, Path(), 0, Path()) for cell in cells]
        return {name: value for run in runs for name, value in yaml_hashes(run).items()}

    @property
    def identity(self) -> dict[str, object]:
        """What all its trials have in common."""
        return {
            "ranges": {name: str(limits) for name, limits in self.space.ranges.items()},
            "metric": self.metric,
            "seeds": self.grid.seeds,
            YAML_FILES: self._yaml_files,
            "data seeds": self.grid.data_seeds,
            "data": str(self.grid.data_dir),
            "seed of the search": self.seed,
            "options": self.overrides,
            "versions": versions(),
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet tune``."""
    parser.add_argument("data_set", metavar="DATASET", help="; ".join(METRICS))
    parser.add_argument("--model", required=True, help=", ".join(NAMES))
    parser.add_argument("--trials", type=int, default=20, help="how many settings (20)")
    parser.add_argument("--gamma", default=PAPER_RANGE, help=f"LOW:HIGH ({PAPER_RANGE}), or one")
    parser.add_argument("--zeta", default=PAPER_RANGE, help=f"LOW:HIGH ({PAPER_RANGE}), or one")
    parser.add_argument("--per-modality", action="store_true", help="a gamma for each modality")
    parser.add_argument("--metric", help="judge by this one, on the validation split")
    parser.add_argument("--parallel", type=int, default=1, help="settings at a time (1)")
    parser.add_argument("--search-seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--search-only", action="store_true", help="no test split at the end")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="option of mmf_run for every run, e.g. refnet.labels.fraction=0.05",
    )
    parser.add_argument(
        "--skip-failed", action="store_true", help="choose although trials have failed"
    )
    add_grid_arguments(parser, only=False)
    parser.set_defaults(goes_on=True)


def run(args: argparse.Namespace) -> int:
    """Search, choose, evaluate the choice; return the exit code: 1 where a run has failed."""
    options = _read_options(args)
    if options.grid.dry_run:
        return _print_commands(options)
    try:
        with _alone(options.path):
            return _tune(options)
    except OptunaError as error:
        said = first_line(error)
        raise GridError(f"the file of the search cannot be written: {said}") from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from a search as long as this one is at it.

    Raises:
        GridError: another one is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GridError(
                f"{path}: another process is at this search; wait for it, or choose another --out"
            ) from None
        yield


def _tune(options: TuneOptions) -> int:
    grid, path = options.grid, options.path
    search = Search(path, options.space, options.seed, options.identity)
    begun = len(search.trials)
    if search.chosen is not None and (options.trials > begun or options.search_only):
        raise GridError(
            f"{path}: this search has ended with {begun} trials: the test split has been seen; "
            "choose another --out for a new one"
        )
    data = data_dirs_for([options.data_set], grid)
    baseline = _baseline_jobs(options, data)
    make_data_for(baseline, grid)
    check_commands(baseline, with_data=False)
    failed = _search(search, options, data)
    unfinished = [trial.number for trial in search.trials if not trial.values]
    if unfinished and search.chosen is None and not options.skip_failed:
        _write(search, options, [], failure_notes(failed))
        numbers = ", ".join(map(str, unfinished))
        raise GridError(
            f"trials {numbers} are not finished, and the test split is left alone; the same "
            "command tries them again, --skip-failed chooses among the others"
        )
    if options.search_only:
        _write(search, options, [], failure_notes(failed))
        return 1 if failed else 0
    return _evaluate(search, search.choose(), options, data, failed)


def _search(search: Search, options: TuneOptions, data: DataDirs) -> dict[Job, str]:
    """Try what is not finished and then new settings; return what has failed."""
    failed: dict[Job, str] = {}
    waiting = [trial for trial in search.trials if not trial.values]
    if search.chosen is not None:
        return failed
    while True:
        batch, waiting = waiting[: options.parallel], waiting[options.parallel :]
        begun = len(search.trials)
        for _ in range(min(options.parallel - len(batch), options.trials - begun)):
            batch.append(search.begin())
        if not batch:
            return failed
        jobs = [(trial, _jobs(trial, options, data)) for trial in batch]
        print(f"trials {', '.join(f'{t.number} ({t.setting})' for t in batch)}", flush=True)
        outcome = _run([job for _, some in jobs for job in some], options)
        failed.update(outcome.failures)
        for trial, its_jobs in jobs:
            if all(job in outcome.results for job in its_jobs):
                search.finish(trial, [_judged(outcome.results[job], options) for job in its_jobs])
        _write(search, options, [], [], show=False)


def _judged(result: Result, options: TuneOptions) -> float:
    """Return what a run of a trial is judged by; NaN where it has diverged."""
    return result.measured("val", options.data_set, options.metric)


def _evaluate(
    search: Search, chosen: Trial, options: TuneOptions, data: DataDirs, failed: dict[Job, str]
) -> int:
    """Train the choice and the baseline, evaluate both on the test split, write everything."""
    cell = searched_cell(
        options.data_set, options.model, chosen.setting, options.overrides, test=True
    )
    baseline = baseline_cell(options.data_set, options.model, options.overrides)
    print(f"chosen: trial {chosen.number} ({chosen.setting}); now the test split", flush=True)
    jobs = _jobs_of([baseline, cell], options, data, options.final_seeds)
    columns = choice_columns(options.data_set, METRICS[options.data_set])
    outcome = with_columns(_run(jobs, options), lambda cell: columns)
    tables = choice_rows(outcome.results, cell, baseline, columns)
    failed = {**failed, **outcome.failures}
    _write(search, options, tables, failure_notes(failed))
    if failed:
        print(f"refnet tune: {len(failed)} run{'s' * (len(failed) > 1)} failed", file=sys.stderr)
    return 1 if failed else 0


def _run(jobs: Sequence[Job], options: TuneOptions) -> Outcome:
    check_commands(jobs, with_data=True)
    return run_all(jobs, options.grid.workers, submission=options.grid.submission)


def _jobs(trial: Trial, options: TuneOptions, data: DataDirs) -> list[Job]:
    cell = searched_cell(
        options.data_set, options.model, trial.setting, options.overrides, test=False
    )
    return _jobs_of([cell], options, data, options.grid.seeds)


def _jobs_of(
    cells: Sequence[Cell], options: TuneOptions, data: DataDirs, seeds: Sequence[int]
) -> list[Job]:
    return jobs_of(cells, options.grid.scale, data, seeds, options.grid.runs)


def _write(
    search: Search,
    options: TuneOptions,
    tables: Sequence[Table],
    failures: Sequence[str],
    *,
    show: bool = True,
) -> None:
    """Write the tables of what is there, and print them."""
    every = [trial_rows(search.trials, options.metric, search.chosen), *tables]
    ranges = ", ".join(f"{name} {limits}" for name, limits in options.space.ranges.items())
    made_with = spell_versions(versions())
    seeds, data_seeds, final = (
        ", ".join(map(str, some))
        for some in (options.grid.seeds, options.grid.data_seeds, options.final_seeds)
    )
    notes = [
        options.grid.notice,
        f"{options.data_set}, {options.model}: {ranges}, drawn by Optuna's TPE sampler (seed "
        f"{options.seed}). A trial is the mean of the {options.metric} of the validation split "
        f"over seeds {seeds} and data seeds {data_seeds}; mean ± standard deviation.",
        *note_of(options.overrides),
        "The test split is evaluated by the runs of the chosen setting and of the baseline alone, "
        f"after the last trial; both are trained anew for it, with seeds {final}, which the search "
        "has not used: to its own seeds the choice owes a part of its score."
        if tables
        else "The test split has not been evaluated.",
        f"{made_with}.",
        *failures,
    ]
    folder = options.grid.out / "tune"
    record = Record(f"{options.data_set}, {options.model}", every, notes)
    paths = write_tables(every, notes, folder, options.name)
    write_record(record, folder / f"{options.name}.json")
    if show:
        show_tables(every, notes)
        say_written(paths)


def _print_commands(options: TuneOptions) -> int:
    """Print the commands of the first trials and of the baseline; return the exit code."""
    search = Search(None, options.space, options.seed, options.identity)
    data = data_dirs_for([options.data_set], options.grid)
    baseline = _baseline_jobs(options, data)
    check_commands(baseline if options.overrides else [], with_data=False)
    jobs = [
        job
        for _ in range(min(options.parallel, options.trials))
        for job in _jobs(search.begin(), options, data)
    ]
    print_commands([*jobs, *baseline], options.grid)
    return 0


def _baseline_jobs(options: TuneOptions, data: DataDirs) -> list[Job]:
    cell = baseline_cell(options.data_set, options.model, options.overrides)
    return _jobs_of([cell], options, data, options.final_seeds)


def _read_options(args: argparse.Namespace) -> TuneOptions:
    """Check the options.

    Raises:
        GridError: one line for the first thing that is wrong.
    """
    if args.data_set not in METRICS:
        raise GridError(unknown("DATASET", "data set", args.data_set, METRICS))
    configs = PROJECTS / args.data_set / "configs"
    models = [path.parent.name for path in configs.glob("*/refnetms.yaml")]
    if args.model not in models:
        raise GridError(unknown("--model", "model", args.model, models))
    metric = args.metric or METRICS[args.data_set][0]
    if metric not in METRICS[args.data_set]:
        raise GridError(unknown("--metric", "metric", metric, METRICS[args.data_set]))
    for place, number in (("--trials", args.trials), ("--parallel", args.parallel)):
        if number < 1:
            raise GridError(f"{place}: expected a number above 0, got {number}")
    if not 0 <= args.search_seed <= LARGEST_SEED:
        raise GridError(
            f"--search-seed: expected a number from 0 to {LARGEST_SEED}, got {args.search_seed}"
        )
    for word in args.overrides:
        key, equals, _ = word.partition("=")
        if not equals or not key:
            raise GridError(f"--set: expected KEY=VALUE, got {word!r}")
        weight = any(part in f"{key}." for part in WEIGHTS)
        if key in SET_BY_THE_SEARCH or key.startswith("env.") or weight:
            raise GridError(f"--set: {key} is set by the search")
    space = Space(
        read_range("--gamma", args.gamma), read_range("--zeta", args.zeta), args.per_modality
    )
    return TuneOptions(
        read_grid_options(args),
        args.data_set,
        args.model,
        metric,
        space,
        args.trials,
        args.parallel,
        args.search_seed,
        tuple(args.overrides),
        args.search_only,
        args.skip_failed,
    )
