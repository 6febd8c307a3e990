"""Means over seeds, and how sure a difference between two methods is: paired over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from refnet_mmf.experiments.spread import mean_and_spread

CONFIDENCE = 0.95
ROUNDING = 1e-9
"""The part of a difference that may be rounding."""


@dataclass(frozen=True)
class Summary:
    """Values over seeds.

    Attributes:
        mean: their mean.
        std: their standard deviation (of the sample); NaN for one value.
        count: how many there are.
    """

    mean: float
    std: float
    count: int


@dataclass(frozen=True)
class Comparison:
    """A method against its baseline, seed by seed.

    Attributes:
        difference: mean of the differences.
        low: lower end of the 95 % confidence interval of that mean (Student's t).
        high: its upper end.
        p: of the two-sided paired t-test.
        effect_size: Cohen's d of paired values: mean over standard deviation of the differences.
        count: how many pairs there are.
    """

    difference: float
    low: float
    high: float
    p: float
    effect_size: float
    count: int

    @property
    def has_interval(self) -> bool:
        """Whether more than the difference is known."""
        return not math.isnan(self.low)


def summarize(values: Sequence[float]) -> Summary:
    """Return mean and standard deviation of ``values``; NaN where there are too few."""
    mean, std = mean_and_spread(values) if len(values) else (math.nan, math.nan)
    return Summary(mean, std, len(values))


def compare(values: Sequence[float], baseline: Sequence[float]) -> Comparison:
    """Compare values with those of the baseline with the same seeds, in the same order.

    With fewer than two pairs nothing but the difference is known; nor where all differences are the
    same, up to rounding, as there is no spread to judge them by. If they are 0, p is 1.

    Raises:
        ValueError: there are not equally many.
    """
    if len(values) != len(baseline):
        raise ValueError(f"compare: {len(values)} values, {len(baseline)} of the baseline")
    differences = np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float)
    count = len(differences)
    if count == 0:
        return _nothing_known(math.nan, 0)
    mean = float(differences.mean())
    if count == 1:
        return _nothing_known(mean, 1)
    spread = float(differences.std(ddof=1))
    if not differences.any():
        return Comparison(0.0, 0.0, 0.0, 1.0, 0.0, count)
    if spread <= ROUNDING * np.abs(differences).max():
        return _nothing_known(mean, count)
    tested = stats.ttest_1samp(differences, 0.0)
    interval = tested.confidence_interval(CONFIDENCE)
    return Comparison(
        mean,
        float(interval.low),
        float(interval.high),
        float(tested.pvalue),
        mean / spread,
        count,
    )


def _nothing_known(difference: float, count: int) -> Comparison:
    return Comparison(difference, math.nan, math.nan, math.nan, math.nan, count)
