"""Claims of the paper that no table of scores decides: time, graphs, and what can't be tested."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from refnet_mmf.experiments.graph_recovery_error import FIGURE_FILE
from refnet_mmf.experiments.grid.cell import Scale
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.tables.training_time import (
    MODELS,
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
        "to be looked at, on the real data sets: refnet table 2 --scale paper",
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


def time_claims(rounds: Sequence[Round], times: Times, scale: Scale) -> list[list[str]]:
    """Return a row of the table of claims for each of the paper's two ratios of training time.

    At miniature scale they are shown, and not judged: the decoders weigh more beside a network of
    that size.
    """
    rows = []
    for variant, name in (("refnet", "ReFNet"), ("refnetms", "ReFNetMS")):
        low, high = PAPERS_RATIOS[variant]
        text = f"{name} takes {100 * (low - 1):.0f} to {100 * (high - 1):.0f} % more training time"
        ratios = ratios_of(rounds, times, variant)
        known = {model: ratio for model, ratio in ratios.items() if not math.isnan(ratio.low)}
        seen = "; ".join(
            f"{model} {ratio.mean:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
            for model, ratio in known.items()
        )
        if not known:
            judged = "too few rounds" if ratios else "not run"
        elif scale == "mini":
            judged = "not testable here"
        elif len(known) < len(MODELS):
            judged = "in part run"
        else:
            judged = _judge_ratios(list(known.values()), low, high)
        rows.append([text, "A.7", judged, seen or "-"])
    return rows


def graph_claim(out: Path) -> list[str]:
    """Return the row of the claim that a linear refiner recovers the graph of the modalities.

    Args:
        out: below it the numbers of figure 8 are looked for.
    """
    text = "A linear refiner holds the modalities' graph, exactly at k = m"
    try:
        errors = [error for path in sorted(out.rglob(FIGURE_FILE)) for error in _errors_at_m(path)]
    except GridError as error:
        return [text, "A.4, A.6", "not run", str(error)]
    if not errors:
        return [text, "A.4, A.6", "not run", "refnet figure 8"]
    largest = max(errors) if all(map(math.isfinite, errors)) else math.nan
    seen = "seen here" if largest < EXACT else "not seen here"
    return [text, "A.4, A.6", seen, f"largest relative error at k = m: {largest:.1g}"]


def untestable_claims() -> list[list[str]]:
    """Return the rows of the claims that no number of a run on miniature data can judge."""
    return [[text, where, "not judged here", why] for text, where, why in NOT_TESTABLE]


def _judge_ratios(ratios: Sequence[Ratio], low: float, high: float) -> str:
    """Judge ratios, each with an interval, by the paper's range from ``low`` to ``high``."""
    words = {_judge_ratio(ratio, low, high) for ratio in ratios}
    if len(words) == 1:
        return words.pop()
    return "seen here in part" if "seen here" in words else "mixed here"


def _judge_ratio(ratio: Ratio, low: float, high: float) -> str:
    if ratio.high < low:
        return "less here"
    if ratio.low > high:
        return "more here"
    # It meets the range; wider than that, and from 1 on, it would meet most ranges.
    return "not sure here" if ratio.low <= 1 else "seen here"


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
