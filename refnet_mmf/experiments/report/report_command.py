"""``refnet report``: tables, figures and the paper's claims on one page."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from refnet_mmf.experiments.grid.cell import Job, Scale
from refnet_mmf.experiments.grid.options import (
    MINIATURE_NOTICE,
    GridError,
    check_data_dir,
    check_scale,
)
from refnet_mmf.experiments.grid.run_folder import results_of
from refnet_mmf.experiments.grid.runner import Outcome
from refnet_mmf.experiments.page import Figure, Page, Section, render_page
from refnet_mmf.experiments.page_markdown import write_markdown
from refnet_mmf.experiments.plain_table import Table, as_text
from refnet_mmf.experiments.report.claim_verdicts import (
    all_comparisons,
    claim_rows,
    rows_beside_the_tables,
)
from refnet_mmf.experiments.report.collect import (
    Place,
    figures_below,
    finished_runs,
    measured_rounds,
    other_versions_of,
)
from refnet_mmf.experiments.report.other_claims import graph_claim, time_claims, untestable_claims
from refnet_mmf.experiments.table_files import say_written
from refnet_mmf.experiments.tables import training_time
from refnet_mmf.experiments.tables.embedding_measures import known_all
from refnet_mmf.experiments.tables.known_tables import SCORE_TABLES, measures_of, parts_of
from refnet_mmf.experiments.tables.score_table import (
    COMPARISON,
    ScoreTable,
    cells_of,
    tables_of,
    with_every_score,
)
from refnet_mmf.experiments.tune.record import read_records
from refnet_mmf.experiments.versions import versions
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
    parser.add_argument(
        "--data-dir", type=Path, help="MMF's env.data_dir, where the runs were given one"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the same as Markdown, too: NAME.md"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page; return the exit code."""
    out: Path = args.out.resolve()
    check_scale(args)
    if args.markdown is not None and args.markdown.suffix != ".md":
        raise GridError(f"--markdown: expected a name that ends in .md, got {args.markdown}")
    scale = cast(Scale, args.scale)
    data_dir = None if args.data_dir is None else args.data_dir.resolve()
    if data_dir is not None:
        check_data_dir(data_dir, scale)
    if not (out / "runs" / scale).is_dir() and not figures_below(out, scale):
        raise GridError(f"--out: no results in {out}; 'refnet table 2 --out {args.out}' makes some")
    page = build_page(Place(out, scale, data_dir))
    path = out / f"report_{args.scale}.html"
    write_atomically(render_page(page), path)
    written = [path, *(write_markdown(page, args.markdown) if args.markdown else ())]
    print(f"{as_text(page.sections[0].tables[0])}\n\n{page.notice}")
    say_written(written)
    return 0


def build_page(place: Place) -> Page:
    """Put what there is at ``place`` on a page."""
    tables = {name: parts_of(name) for name in SCORE_TABLES}
    outcomes = _outcomes(tables, place)
    results = {name: outcome.results for name, outcome in outcomes.items()}
    rounds, times = measured_rounds(place)
    tests = all_comparisons(tables, results)
    claims = Table(
        "Claims of the paper",
        [
            "claim of the paper",
            "where",
            "on MINIATURE data" if place.scale == "mini" else f"on {place.data_dir}",
            "by what",
        ],
        [
            *claim_rows(tests),
            *time_claims(rounds, times, place.scale),
            graph_claim(place.out),
            *untestable_claims(),
        ],
    )
    made = sum(test.compared.has_interval for own in tests for test in own)
    beside = Table(
        "Comparisons by which claims are judged, and which no table shows; differences in points",
        ["claim", "model", "against", "metric", *COMPARISON],
        rows_beside_the_tables(tests),
    )
    sections = [
        Section(
            "What the paper claims, and what was seen",
            [f"{_HOW_CLAIMS_ARE_JUDGED} These are {made} comparisons together."],
            [claims, *([beside] if beside.rows else [])],
        ),
        *(
            _section(SCORE_TABLES[name], parts, outcomes[name], place)
            for name, parts in tables.items()
            if results[name] or outcomes[name].failures
        ),
    ]
    if times.seconds:
        title = f"Table {training_time.NAME}: {training_time.TITLE}"
        notes = training_time.time_notes(times, miniature=place.scale == "mini")
        sections.append(Section(title, notes, [training_time.time_rows(rounds, times)]))
    sections += [
        Section(f"Search: {search.title}", search.notes, search.tables)
        for search in read_records(place.out, place.scale)
    ]
    drawn = figures_below(place.out, place.scale)
    if drawn:
        others = {path: made_by for path in drawn if (made_by := other_versions_of(path))}
        left_out = [f"Left out: {path.stem}: made by {by}" for path, by in others.items()]
        figures = [
            Figure(f"{title} ({path.stem})", path.read_bytes())
            for path, title in drawn.items()
            if path not in others
        ]
        sections.append(Section("Figures", left_out, figures=figures))
    return Page(
        title="REFINER: what the runs have come to",
        notice=MINIATURE_NOTICE if place.scale == "mini" else f"Data: {place.data_dir}.",
        sections=sections,
        facts={**versions(), **_facts(outcomes)},
    )


_HOW_CLAIMS_ARE_JUDGED = (
    "Each claim is judged by comparisons that are paired over seeds, with a 95 % confidence "
    "interval of the mean difference. Seen here: every interval lies above 0; in part: some do, "
    "and none below. The opposite: the same below 0. Mixed: some above and some below. Not seen: "
    "each holds 0. Not testable: the methods are near chance, or the networks too small for their "
    "times to mean anything. In part run: a comparison has no two pairs of runs yet. No comparison "
    "is corrected for the others. The best checkpoint of each run is chosen on the validation "
    "split. Training time: seen here where the interval of the ratio meets the paper's range, and "
    "does not hold 1."
)


def _outcomes(tables: Mapping[str, Sequence[ScoreTable]], place: Place) -> dict[str, Outcome]:
    """Return what is finished of each table's runs, and measured of them."""
    everything = finished_runs(
        cells_of([part for parts in tables.values() for part in parts]), place
    )
    # The first measures are those that tables share; a further one is read of its table's runs.
    first = {measures_of(name)[:1] for name in tables}
    with_scores = {measures: known_all(everything, measures) for measures in first}
    return {
        name: with_every_score(
            parts,
            known_all(
                with_scores[measures_of(name)[:1]].of(cells_of(parts)), measures_of(name)[1:]
            ),
        )
        for name, parts in tables.items()
    }


def _section(title: str, parts: Sequence[ScoreTable], outcome: Outcome, place: Place) -> Section:
    """Return a table's part of the page: scores, differences, a command of each experiment."""
    one_of_each = {job.cell: job.run.command for job in outcome.results}
    notes = [
        "; ".join(
            filter(None, [f"{len(outcome.results)} finished runs", seeds_of(outcome.results)])
        ),
        *(f"Left out: {job.run.name}: {reason}" for job, reason in outcome.failures.items()),
    ]
    return Section(
        f"Table {parts[0].name}: {title}",
        [
            *dict.fromkeys(
                note for part in parts for note in part.notes_on(miniature=place.scale == "mini")
            ),
            *notes,
        ],
        tables_of(parts, outcome.results),
        commands=[from_here(command) for command in one_of_each.values()],
    )


def from_here(command: str) -> str:
    """Return a run's command without the folder that it, on whatever machine, was called in.

    What it writes lies below the folder of results, and that below the one that is left out.
    """
    for folder in (Path.cwd(), results_of(shlex.split(command)).parent):
        if folder.is_absolute():
            command = command.replace(f"={folder}/", "=")
    return command


def seeds_of(jobs: Iterable[Job]) -> str:
    """Word with which seeds there are jobs, by the seed of their data."""
    by_data: dict[int, set[int]] = {}
    for job in jobs:
        by_data.setdefault(job.data_seed, set()).add(job.seed)
    by_seeds: dict[tuple[int, ...], list[int]] = {}
    for data_seed, seeds in sorted(by_data.items()):
        by_seeds.setdefault(tuple(sorted(seeds)), []).append(data_seed)
    return "; ".join(
        f"data seed{'s' * (len(data) > 1)} {_listed(data)}, seed{'s' * (len(seeds) > 1)} "
        f"{_listed(seeds)}"
        for seeds, data in by_seeds.items()
    )


def _listed(numbers: Sequence[int]) -> str:
    """Word rising numbers; a row of three or more without a gap by its ends."""
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _facts(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    results = {job: result for o in outcomes.values() for job, result in o.results.items()}
    hours = sum(result.seconds for result in results.values()) / 3600
    return {
        "Python": platform.python_version(),
        "machine of this page": f"{platform.machine()}, {os.cpu_count()} processors",
        "runs": f"{len(results)}, {hours:.1f} hours together",
    }
