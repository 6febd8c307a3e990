"""Claims of the paper, judged by comparisons of finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.grid.statistics import Comparison
from refnet_mmf.experiments.report.claims import CLAIMS, Claim
from refnet_mmf.experiments.tables.score_table import (
    Column,
    Row,
    ScoreTable,
    chance_of,
    compare_gains,
    comparison_of,
    scores,
    span,
    spell_comparison,
)

NEAR_CHANCE = 3.0
"""Means below chance and as many points more say that nothing was learnt."""

Results = Mapping[str, Mapping[Job, Result]]
"""What is finished, by a table's name."""


@dataclass(frozen=True)
class Tested:
    """One of the comparisons that test a claim.

    Attributes:
        method: title of a table's row.
        against: that of the row it is compared with.
        metric: the columns that count.
        compared: what came out, paired over seeds.
        in_table: whether the claim's table shows it.
        floor: the mean of a row that has learnt nothing, in per cent; None: both have learnt.
    """

    method: str
    against: str
    metric: str
    compared: Comparison
    in_table: bool
    floor: float | None


def comparisons_of(claim: Claim, table: ScoreTable, results: Mapping[Job, Result]) -> list[Tested]:
    """Return the comparisons that test a claim, each paired over seeds.

    Args:
        claim: the claim.
        table: the part of the table that it is about.
        results: the table's finished runs.
    """
    columns = {column.title: column for column in table.columns}
    found = []
    for method, against in claim.pairs:
        own, baseline = table.row(method), table.row(against)
        for title in claim.columns:
            of = [columns[name] for name in ((title,) if isinstance(title, str) else title)]
            if len(of) == 1:
                compared = comparison_of(table, own, baseline, of[0], results)
            else:
                compared = compare_gains(table, own, baseline, (of[0], of[1]), results)
            shown = len(of) == 1 and own.baseline == against
            floor = _floor(table, (own, baseline), of, results)
            metric = ", less that in ".join(column.title for column in of)
            found.append(Tested(method, against, metric, compared, shown, floor))
    return found


def _floor(
    table: ScoreTable,
    rows: Sequence[Row],
    columns: Sequence[Column],
    results: Mapping[Job, Result],
) -> float | None:
    """Return the lower of the rows' means where both are near chance in one of the columns."""
    for column in columns:
        chance = chance_of(table, column, results)
        if chance is not None:
            own = [list(scores(results, row.cells[column.key], column).values()) for row in rows]
            means = [fmean(values) for values in own if values]
            if means and max(means) < chance + NEAR_CHANCE:
                return min(means)
    return None


def verdict(tests: Sequence[Tested]) -> str:
    """Judge a claim by its comparisons: by which side of 0 their 95 % intervals lie on."""
    known = _known(tests)
    if not known:
        return "too few pairs" if any(t.compared.count for t in tests) else "not run"
    if all(test.floor is not None for test in known):
        return "not testable here"
    if len(known) < len(tests):
        return "in part run"
    gains, losses = _counts(known)
    if gains and losses:
        return "mixed here"
    if gains or losses:
        word = "seen here" if gains else "the opposite seen here"
        return word if gains + losses == len(known) else f"{word} in part"
    return "not seen here"


def evidence(tests: Sequence[Tested]) -> str:
    """Word how many intervals lie above 0 and below, and the range of the differences."""
    known = _known(tests)
    if not known:
        most = max((test.compared.count for test in tests), default=0)
        pairs = f"{most} pair{'' if most == 1 else 's'} of runs"
        return f"{pairs}, too few for an interval, or all alike" if most else "-"
    gains, losses = _counts(known)
    differences = [test.compared.difference for test in known]
    floors = [test.floor for test in known if test.floor is not None]
    return (
        f"{gains} of {len(tests)} above 0, {losses} below; difference "
        f"{min(differences):+.2f} to {max(differences):+.2f} points; "
        f"{span([test.compared.count for test in known])} pairs"
        + (f"; near chance, down to {min(floors):.1f}" if floors else "")
    )


def _known(tests: Sequence[Tested]) -> list[Tested]:
    return [test for test in tests if test.compared.has_interval]


def _counts(known: Sequence[Tested]) -> tuple[int, int]:
    """Return how many intervals lie above 0, and how many below."""
    return sum(t.compared.low > 0 for t in known), sum(t.compared.high < 0 for t in known)


def all_comparisons(
    tables: Mapping[str, Sequence[ScoreTable]], results: Results
) -> list[list[Tested]]:
    """Return the comparisons of each of `CLAIMS`.

    Args:
        tables: the parts of each table, by its name.
        results: their finished runs.
    """
    return [
        comparisons_of(
            claim,
            next(part for part in tables[claim.table] if part.part == claim.part),
            results.get(claim.table, {}),
        )
        for claim in CLAIMS
    ]


def claim_rows(tests: Sequence[Sequence[Tested]]) -> list[list[str]]:
    """Return a row for each claim: its text, where it stands, what was seen, by what."""
    return [
        [claim.text, claim.where, verdict(own), evidence(own)]
        for claim, own in zip(CLAIMS, tests, strict=True)
    ]


def rows_beside_the_tables(tests: Sequence[Sequence[Tested]]) -> list[list[str]]:
    """Return a row for each comparison that judges a claim and that no table shows."""
    return [
        [claim.text, test.method, test.against, test.metric, *spell_comparison(test.compared)]
        for claim, own in zip(CLAIMS, tests, strict=True)
        for test in _known(own)
        if not test.in_table
    ]
