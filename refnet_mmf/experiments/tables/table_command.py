"""``refnet table N``: a table of the paper, from its runs to Markdown, LaTeX and CSV."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence

from refnet_mmf.core.messages import by_words_and_numbers, unknown
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.command_checks import check_commands
from refnet_mmf.experiments.grid.options import (
    GridError,
    GridOptions,
    add_grid_arguments,
    jobs_for,
    make_data_for,
    print_commands,
    read_grid_options,
)
from refnet_mmf.experiments.grid.overrides import note_of, read_overrides
from refnet_mmf.experiments.grid.runner import (
    Outcome,
    failure_notes,
    finished,
    run_all,
    unfinished,
)
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.retrieval import MATCHES
from refnet_mmf.experiments.table_files import (
    remove_further_csvs,
    say_written,
    show_tables,
    write_tables,
)
from refnet_mmf.experiments.tables import training_time
from refnet_mmf.experiments.tables.embedding_measures import known_all, measured
from refnet_mmf.experiments.tables.known_tables import SCORE_TABLES, measures_of, parts_of
from refnet_mmf.experiments.tables.retrieval_tables import TITLES as RETRIEVAL_TITLES
from refnet_mmf.experiments.tables.score_table import (
    ScoreTable,
    cells_of,
    tables_of,
    with_every_score,
)
from refnet_mmf.experiments.versions import spell_versions, versions

_TITLES = {**SCORE_TABLES, training_time.NAME: training_time.TITLE}
TABLES_SHOWN = {name: _TITLES[name] for name in sorted(_TITLES, key=by_words_and_numbers)}
"""What each table shows, by the name that ``refnet table`` takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet table``."""
    parser.description = (
        "Runs what a table of the paper needs (what is finished is kept, what was cut off goes "
        "on), and writes it as Markdown, LaTeX and CSV, the paper's numbers beside ours. Tables: "
        + "; ".join(f"{name}: {title}" for name, title in TABLES_SHOWN.items())
    )
    parser.add_argument(
        "name", metavar="TABLE", nargs="?", help=f"{', '.join(TABLES_SHOWN)}; without it: the list"
    )
    parser.add_argument(
        "--match", help=f"of tables 1 and 7: {' or '.join(MATCHES)} label set (exact)"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a further option for every mmf_run; give them an --out of their own",
    )
    add_grid_arguments(parser)
    parser.set_defaults(goes_on=True)


def run(args: argparse.Namespace) -> int:
    """Make the table that was named, or list all; return the exit code: 1 where a run failed."""
    if args.name is None:
        print("\n".join(f"{name:10}{title}" for name, title in TABLES_SHOWN.items()))
        return 0
    name = args.name.lower()
    if name not in TABLES_SHOWN:
        print(
            f"refnet table: {unknown('TABLE', 'table', args.name, TABLES_SHOWN)}", file=sys.stderr
        )
        return 2
    _check_match(name, args.match)
    options = read_grid_options(args)
    if name == training_time.NAME:
        return _make_times(options, args.overrides)
    parts = parts_of(name, args.match or "exact")
    overrides = read_overrides(args.overrides, cells_of(parts), f"table {name}")
    parts = [part.with_options(overrides) for part in parts]
    jobs = jobs_for(cells_of(parts), options)
    if options.dry_run:
        check_commands(jobs if overrides else [], with_data=False)
        print_commands(jobs, options)
        return 0
    make_data_for(_with_data_to_read(jobs, name), options)
    check_commands(jobs, with_data=True)
    outcome = run_all(jobs, options.workers, submission=options.submission)
    for measure in measures_of(name):
        outcome = measured(outcome, measure, options.workers)
    outcome = with_every_score(parts, outcome)
    suffix = "" if args.match in (None, "exact") else f"_{args.match}"
    file_name = f"table_{name}{suffix}_{options.scale}"
    return _write(parts, outcome, jobs, options, note_of(overrides), file_name)


def _check_match(name: str, match: str | None) -> None:
    """Refuse a rule of matching that is unknown, or that the table does not have.

    Raises:
        GridError: one line.
    """
    if match is not None and match not in MATCHES:
        raise GridError(unknown("--match", "rule", match, MATCHES))
    if match is not None and name not in RETRIEVAL_TITLES:
        names = " and ".join(RETRIEVAL_TITLES)
        raise GridError(f"--match: only tables {names} have a rule of matching, not {name}")


def _with_data_to_read(jobs: Sequence[Job], name: str) -> list[Job]:
    """Return the jobs that are not finished, or whose embeddings are not measured."""
    if not measures_of(name):
        return unfinished(jobs)
    return known_all(finished(jobs), measures_of(name)).lacking(jobs)


def _make_times(options: GridOptions, overrides: Sequence[str]) -> int:
    """Measure and write the table of training times.

    Raises:
        GridError: the runs should be submitted, or a method would stand without its baseline.
    """
    if options.submission is not None:
        raise GridError(
            f"--submit: the runs of table {training_time.NAME} are timed in turn on one machine; "
            "call the command itself in a job of the cluster"
        )
    cells = training_time.timed_cells()
    overrides = read_overrides(overrides, cells, f"table {training_time.NAME}")
    jobs = jobs_for([cell.with_options(overrides) for cell in cells], options)
    rounds = training_time.rounds_of(jobs)
    if options.dry_run:
        print_commands(jobs, options)
        return 0
    unmeasured = training_time.unmeasured(rounds)
    make_data_for(unmeasured, options)
    check_commands(unmeasured, with_data=True)
    times = training_time.measure(rounds)
    failed = [f"Failed: {path}: {reason}" for path, reason in times.failures.items()]
    if times.seconds:
        notes = [
            options.notice,
            *training_time.time_notes(times, miniature=options.scale == "mini"),
            *note_of(overrides),
            _made_with(options),
            *failed,
        ]
        file_name = f"table_{training_time.NAME}_{options.scale}"
        _show([training_time.time_rows(rounds, times)], notes, options, file_name)
    else:
        _say_that_nothing_is_written("No round is measured", failed)
    return _exit_code(times.failures.values(), len(rounds), "rounds")


def _write(
    parts: Sequence[ScoreTable],
    outcome: Outcome,
    jobs: Sequence[Job],
    options: GridOptions,
    further_notes: Sequence[str],
    file_name: str,
) -> int:
    tables = tables_of(parts, outcome.results)
    failed = failure_notes(outcome.failures)
    if outcome.results:
        notes = [
            options.notice,
            *dict.fromkeys(
                note for part in parts for note in part.notes_on(miniature=options.scale == "mini")
            ),
            *further_notes,
            f"{_made_with(options)} The best checkpoint is chosen on the validation split.",
            *failed,
        ]
        _show(tables, notes, options, file_name)
    else:
        _say_that_nothing_is_written("No run is finished", failed)
    return _exit_code(outcome.failures.values(), len(jobs), "runs")


def _made_with(options: GridOptions) -> str:
    seeds, data_seeds = (", ".join(map(str, s)) for s in (options.seeds, options.data_seeds))
    return f"Seeds {seeds}; data seeds {data_seeds}; {spell_versions(versions())}."


def _show(
    tables: Sequence[Table], notes: Sequence[str], options: GridOptions, file_name: str
) -> None:
    show_tables(tables, notes)
    folder = options.out / "tables"
    say_written(write_tables(tables, notes, folder, file_name))
    remove_further_csvs(folder, file_name, len(tables))


def _say_that_nothing_is_written(why: str, failed: Sequence[str]) -> None:
    print("\n".join([*failed, f"{why}: no table is written."]), file=sys.stderr)


def _exit_code(reasons: Collection[str], of: int, what: str) -> int:
    """Say how many have failed, and why the first did; return the exit code."""
    if not reasons:
        return 0
    first = next(iter(reasons)).splitlines()[0]
    print(f"refnet table: {len(reasons)} of {of} {what} failed: {first}", file=sys.stderr)
    return 1
