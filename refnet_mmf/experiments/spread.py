"""Mean and spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation of the sample (NaN for a single value)."""
    return fmean(values), stdev(values) if len(values) > 1 else math.nan
