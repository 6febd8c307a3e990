"""Tables of scores: methods by metrics, over seeds, with the paper's values beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from refnet_mmf.experiments.grid.cell import Cell, Job
from refnet_mmf.experiments.grid.run_folder import Result, RunFolderError
from refnet_mmf.experiments.grid.runner import Outcome
from refnet_mmf.experiments.grid.statistics import Comparison, Summary, compare, summarize
from refnet_mmf.experiments.plain_table import Table

COMPARISON = ("difference", "95 % interval", "p", "d", "pairs")
"""The columns that `spell_comparison` fills."""
RUNS = "runs"
"""The title of the row that says over how many runs a column's means are."""
BY_CHANCE = "by chance"
"""The title of the row that says what guessing scores."""
BY_DATA_SEED = "by data seed"
"""The title of the column of a difference on each data set, where there are several."""

Paper = Mapping[str, tuple[float, float | None]]


@dataclass(frozen=True)
class Column:
    """A metric of a split.

    Attributes:
        title: its heading.
        data_set: MMF's key of the data set.
        split: ``val`` or ``test``.
        metric: its name in MMF's registry.
        setting: what sets its experiments apart from those of another column of the data set.
        chance: what guessing scores, in per cent, or the name of the metric that holds it; None:
            not known.
    """

    title: str
    data_set: str
    split: str
    metric: str
    setting: str = ""
    chance: float | str | None = None

    @property
    def key(self) -> str:
        """Which of a row's experiments it is a column of."""
        return self.setting or self.data_set

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that a run must have for it."""
        return (self.metric, self.chance) if isinstance(self.chance, str) else (self.metric,)


@dataclass(frozen=True)
class Row:
    """A method.

    Attributes:
        title: its heading.
        cells: its experiment of each column's key: on each data set, or with each setting.
        baseline: title of the row that it is compared with; empty: with none.
        paper: mean and standard deviation (None: not given) in the paper, by a column's title.
    """

    title: str
    cells: Mapping[str, Cell]
    baseline: str = ""
    paper: Paper = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreTable:
    """A table of the paper.

    Attributes:
        name: as in ``refnet table NAME``.
        title: what it shows.
        columns: the metrics.
        rows: the methods.
        notes: what a reader has to know of the paper's values or of ours.
        notes_of_miniature: further ones, where ours are of miniature data.
        part: of a table in several parts, which one this is.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    part: str = ""
    notes_of_miniature: Sequence[str] = ()

    @property
    def heading(self) -> str:
        """How it is called in captions."""
        return f"Table {self.name}" + (f" ({self.part})" if self.part else "")

    @property
    def cells(self) -> list[Cell]:
        """All experiments, each once."""
        return list(dict.fromkeys(cell for row in self.rows for cell in row.cells.values()))

    def with_options(self, overrides: Sequence[str]) -> ScoreTable:
        """Return the table of the experiments with further options."""
        return replace(
            self,
            rows=[
                replace(
                    row,
                    cells={key: cell.with_options(overrides) for key, cell in row.cells.items()},
                )
                for row in self.rows
            ],
        )

    def notes_on(self, *, miniature: bool) -> list[str]:
        """Return what a reader has to know of numbers from such data."""
        return [*self.notes, *(self.notes_of_miniature if miniature else ())]

    def row(self, title: str) -> Row:
        """Return the row of this title."""
        return next(row for row in self.rows if row.title == title)


def cells_of(tables: Sequence[ScoreTable]) -> list[Cell]:
    """Return all experiments of some tables, each once."""
    return list(dict.fromkeys(cell for table in tables for cell in table.cells))


Scores = dict[tuple[int, int], float]
"""A metric in per cent, by data seed and seed."""


def scores(results: Mapping[Job, Result], cell: Cell, column: Column) -> Scores:
    """Return a cell's values of a column, as far as its jobs are finished.

    Raises:
        RunFolderError: a run has not measured it.
    """
    found = {}
    for job, result in results.items():
        if job.cell != cell:
            continue
        try:
            value = result.value(column.split, column.data_set, column.metric)
        except RunFolderError as error:
            raise RunFolderError(f"{job.run.folder}: {error}") from None
        found[job.data_seed, job.seed] = 100 * value
    return found


def with_every_score(tables: Sequence[ScoreTable], outcome: Outcome) -> Outcome:
    """Put runs that lack a score of these tables among the failures."""
    return with_columns(
        outcome,
        lambda cell: [
            column
            for table in tables
            for column in table.columns
            if any(row.cells.get(column.key) == cell for row in table.rows)
        ],
    )


def with_columns(outcome: Outcome, columns_of: Callable[[Cell], Sequence[Column]]) -> Outcome:
    """Put runs that lack a score, or have one that is no number, among the failures.

    Args:
        outcome: of a grid.
        columns_of: the scores that the runs of an experiment must have.
    """
    whole = Outcome(failures=dict(outcome.failures))
    for job, result in outcome.results.items():
        try:
            for column in columns_of(job.cell):
                for metric in column.metrics:
                    result.value(column.split, column.data_set, metric)
        except RunFolderError as error:
            whole.failures[job] = (
                f"{job.run.folder}: {error}; remove the file that lacks it, and it is made again"
            )
        else:
            whole.results[job] = result
    return whole


def chance_of(table: ScoreTable, column: Column, results: Mapping[Job, Result]) -> float | None:
    """Return what guessing scores in a column, in per cent; None: not known."""
    if not isinstance(column.chance, str):
        return column.chance
    held = replace(column, metric=column.chance)
    cells = {row.cells[column.key] for row in table.rows if column.key in row.cells}
    values = [value for cell in cells for value in scores(results, cell, held).values()]
    return fmean(values) if values else None


def tables_of(parts: Sequence[ScoreTable], results: Mapping[Job, Result]) -> list[Table]:
    """Return scores and differences of the parts of a table that have finished runs."""
    cells = {job.cell for job in results}
    return [
        rows(part, results)
        for part in parts
        if not cells.isdisjoint(part.cells)
        for rows in (score_rows, comparison_rows)
    ]


def score_rows(table: ScoreTable, results: Mapping[Job, Result]) -> Table:
    """Return means and standard deviations over runs, and the paper's values beside those it has.

    Below them stands over how many runs, see `column_scores`, and what guessing scores.
    """
    columns = [["model", *(row.title for row in table.rows), BY_CHANCE, RUNS]]
    for column in table.columns:
        own = column_scores(table, column, results)
        means = [spell(summarize(list(own.get(row.title, {}).values()))) for row in table.rows]
        guessed = chance_of(table, column, results)
        by_chance = "-" if guessed is None else f"{guessed:.2f}"
        runs = span([len(values) for values in own.values()])
        columns.append([column.title, *means, by_chance, runs])
        if any(column.title in row.paper for row in table.rows):
            said = (spell_paper(row.paper, column.title) for row in table.rows)
            columns.append(["paper", *said, "", ""])
    header, *rows = map(list, zip(*columns, strict=True))
    if all(column.chance is None for column in table.columns):
        rows = [row for row in rows if row[0] != BY_CHANCE]
    caption = (
        f"{table.heading}. {table.title}, per cent: mean ± standard deviation over seeds and data "
        "seeds: of those that a baseline and all that is compared with it have, or, where there "
        "are none, each row's own"
    )
    return Table(caption, header, rows)


def column_scores(
    table: ScoreTable, column: Column, results: Mapping[Job, Result]
) -> dict[str, Scores]:
    """Return the values of a column by the titles of the rows that have any.

    Those of a baseline and of the rows that are compared with it are of the same seeds: of those
    that all of these have. Where there are none, each row has its own.
    """
    found = {
        row.title: scores(results, row.cells[column.key], column)
        for row in table.rows
        if column.key in row.cells
    }
    groups: dict[str, dict[str, Scores]] = {}
    for row in table.rows:
        if row.title in found:
            groups.setdefault(row.baseline or row.title, {})[row.title] = found[row.title]
    of_same_seeds = [of_shared_seeds(group) for group in groups.values()]
    return {
        row.title: own[row.title] for row in table.rows for own in of_same_seeds if row.title in own
    }


def of_shared_seeds(found: Mapping[str, Scores]) -> dict[str, Scores]:
    """Return values, by any name, of those seeds that all that have values share.

    Where there are none, each keeps its own.
    """
    there = {name: own for name, own in found.items() if own}
    shared = set.intersection(*map(set, there.values())) if there else set()
    return {
        name: {pair: own[pair] for pair in sorted(shared or own)} for name, own in there.items()
    }


def comparison_rows(table: ScoreTable, results: Mapping[Job, Result]) -> Table:
    """Return each method's difference to its baseline, paired over the seeds of `column_scores`."""
    found = {column.title: column_scores(table, column, results) for column in table.columns}
    rows, made, of_data_seeds, paper = [], [], [], []
    for row in table.rows:
        if not row.baseline:
            continue
        baseline = table.row(row.baseline)
        for column in table.columns:
            if column.key not in row.cells:
                continue
            own, theirs = (found[column.title].get(r.title, {}) for r in (row, baseline))
            compared = compare_scores(own, theirs)
            made.append(compared)
            of_data_seeds.append(differences_by_data_seed(own, theirs))
            rows.append([row.title, row.baseline, column.title, *spell_comparison(compared)])
            paper.append(_paper_difference(row, baseline, column.title))
    header = ["model", "against", "metric", *COMPARISON]
    caption = (
        f"{table.heading}, differences in points, paired over seeds: "
        f"{count_of(made)} comparisons, "
        "p of each by itself (two-sided paired t-test), d: mean over standard deviation of the "
        "differences"
    )
    if any(len(of_one) > 1 for of_one in of_data_seeds):
        header.append(BY_DATA_SEED)
        caption += "; the pairs of several data seeds count as independent"
        for cells, of_one in zip(rows, of_data_seeds, strict=True):
            spelt = ", ".join(f"{seed}: {gain:+.2f}" for seed, gain in of_one.items())
            cells.append(spelt or "-")
    if any(row.paper for row in table.rows):
        header.append("paper's difference")
        for cells, said in zip(rows, paper, strict=True):
            cells.append(said)
    return Table(caption, header, rows)


def scores_of_both(
    table: ScoreTable, row: Row, baseline: Row, column: Column, results: Mapping[Job, Result]
) -> tuple[Scores, Scores]:
    """Return the values of two rows in one column, of the seeds of `column_scores`."""
    found = column_scores(table, column, results)
    return found.get(row.title, {}), found.get(baseline.title, {})


def comparison_of(
    table: ScoreTable, row: Row, baseline: Row, column: Column, results: Mapping[Job, Result]
) -> Comparison:
    """Compare a method with another in one metric, paired over data seeds and seeds."""
    return compare_scores(*scores_of_both(table, row, baseline, column, results))


def compare_gains(
    table: ScoreTable,
    row: Row,
    baseline: Row,
    columns: tuple[Column, Column],
    results: Mapping[Job, Result],
) -> Comparison:
    """Compare a method's gain in one column with its gain in another, paired over all seeds."""
    of_first, of_second = (
        gains(*scores_of_both(table, row, baseline, column, results)) for column in columns
    )
    return compare_scores(of_first, of_second)


def gains(own: Scores, theirs: Scores) -> Scores:
    """Return the differences of values to others, by data seed and seed, where both are there."""
    return {pair: own[pair] - theirs[pair] for pair in sorted(own.keys() & theirs.keys())}


def differences_by_data_seed(own: Scores, theirs: Scores) -> dict[int, float]:
    """Return the mean difference of values to others on each data set."""
    of_pairs = gains(own, theirs)
    return {
        data_seed: fmean(gain for pair, gain in of_pairs.items() if pair[0] == data_seed)
        for data_seed in dict.fromkeys(pair[0] for pair in of_pairs)
    }


def compare_scores(own: Scores, theirs: Scores) -> Comparison:
    """Compare values with others, paired over the data seeds and seeds that both have."""
    pairs = sorted(own.keys() & theirs.keys())
    return compare([own[p] for p in pairs], [theirs[p] for p in pairs])


def count_of(compared: Sequence[Comparison]) -> str:
    """Word how many comparisons were made, and of how many, where some were not."""
    known, of = sum(one.has_interval for one in compared), len(compared)
    return str(of) if known == of else f"{known} of {of}"


def span(numbers: Sequence[int]) -> str:
    """Word the least of some numbers, and the largest, where it is another one."""
    if not numbers:
        return "-"
    return " to ".join(map(str, dict.fromkeys([min(numbers), max(numbers)])))


def spell(summary: Summary, digits: int = 2) -> str:
    """Word mean and standard deviation."""
    if summary.count == 0:
        return "-"
    mean = f"{summary.mean:.{digits}f}"
    return mean if summary.count == 1 else f"{mean} ± {summary.std:.{digits}f}"


def spell_paper(paper: Paper, title: str) -> str:
    """Word the paper's value."""
    if title not in paper:
        return "-"
    mean, std = paper[title]
    return f"{mean:.2f}" if std is None else f"{mean:.2f} ± {std:.2f}"


def spell_comparison(compared: Comparison) -> list[str]:
    """Word a comparison: difference, interval, p, effect size, number of pairs."""
    if compared.count == 0:
        return ["-", "-", "-", "-", "0"]
    if not compared.has_interval:
        return [f"{compared.difference:+.2f}", "-", "-", "-", str(compared.count)]
    return [
        f"{compared.difference:+.2f}",
        f"{compared.low:+.2f} to {compared.high:+.2f}",
        f"{compared.p:.3f}" if compared.p >= 0.001 else "< 0.001",
        f"{compared.effect_size:+.2f}",
        str(compared.count),
    ]


def _paper_difference(row: Row, baseline: Row, title: str) -> str:
    if title not in row.paper or title not in baseline.paper:
        return "-"
    return f"{row.paper[title][0] - baseline.paper[title][0]:+.2f}"
