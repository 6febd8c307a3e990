"""Mean and spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation of the sample (NaN for a single value)."""
    with np.errstate(invalid="ignore"):
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        return float(np.mean(values)), spread
