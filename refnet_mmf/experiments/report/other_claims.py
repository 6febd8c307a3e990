"""Claims of the paper that no table of scores decides: time, graphs, and what can't be tested."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from refnet_mmf.experiments.graph_recovery_error import FIGURE_FILE
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.tables.training_time import (
    PAPERS_RATIOS,
    Ratio,
    Round,
    Times,
    ratios_of,
)

EXACT = 1e-8
"""The relative error of the adjacency matrix below which it counts as recovered."""

NOT_TESTABLE = (
    (
        "The gains hold against published numbers of other code bases (Arevalo et al.; SNLI-VE)",
        "section 5, Table 2",
        "needs the real data sets: refnet table 2 --scale paper",
    ),
    (
        "The accuracy rises with gamma and falls again",
        "section 4.2, Fig. 4",
        "to be looked at: refnet figure 4",
    ),
    (
        "ReFNetMS makes two clusters of each class, one of a modality and a mixed one",
        "section 1, Fig. 5",
        "to be looked at: refnet figure 5",
    ),
    (
        "The loss of ReFNetMS falls faster at first, and ends lower",
        "A.7, Fig. 10",
        "to be looked at: refnet figure 10",
    ),
)
"""Claim, where it stands, and why no line of numbers judges it."""


def time_claims(rounds: Sequence[Round], times: Times) -> list[list[str]]:
    """Return a row of the table of claims for each of the paper's two ratios of training time."""
    rows = []
    for variant, name in (("refnet", "ReFNet"), ("refnetms", "ReFNetMS")):
        low, high = PAPERS_RATIOS[variant]
        text = f"{name} takes {100 * (low - 1):.0f} to {100 * (high - 1):.0f} % more training time"
        ratios = ratios_of(rounds, times, variant)
        seen = "; ".join(
            f"{model} {ratio.mean:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
            for model, ratio in ratios.items()
        )
        rows.append([text, "A.7", _judge_ratios(list(ratios.values()), low, high), seen or "-"])
    return rows


def graph_claim(out: Path) -> list[str]:
    """Return the row of the claim that a linear refiner recovers the graph of the modalities.

    Args:
        out: below it the numbers of figure 8 are looked for.
    """
    text = "A linear refiner holds the modalities' graph, exactly at k = m"
    errors = [error for path in sorted(out.rglob(FIGURE_FILE)) for error in _errors_at_m(path)]
    if not errors:
        return [text, "A.4, A.6", "not run", "refnet figure 8"]
    seen = "seen here" if max(errors) < EXACT else "not seen here"
    return [text, "A.4, A.6", seen, f"largest relative error at k = m: {max(errors):.1g}"]


def untestable_claims() -> list[list[str]]:
    """Return the rows of the claims that no number of a run on miniature data can judge."""
    return [[text, where, "not judged here", why] for text, where, why in NOT_TESTABLE]


def _judge_ratios(ratios: Sequence[Ratio], low: float, high: float) -> str:
    known = [ratio for ratio in ratios if not math.isnan(ratio.low)]
    if not known:
        return "not run"
    if all(ratio.high < low for ratio in known):
        return "less here"
    if all(ratio.low > high for ratio in known):
        return "more here"
    within = all(ratio.low <= high and ratio.high >= low for ratio in known)
    return "seen here" if within else "seen here in part"


def _errors_at_m(path: Path) -> list[float]:
    """Return the errors of a file of figure 8.

    Raises:
        GridError: it is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return [float(row["relative_error_mean"]) for row in rows if row["k"] == row["m"]]
    except (KeyError, TypeError, ValueError):
        raise GridError(f"{path}: damaged; 'refnet figure 8' writes it anew") from None
