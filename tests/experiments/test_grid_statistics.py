"""Means over seeds and paired comparisons, against SciPy and NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from refnet_mmf.experiments.grid.statistics import compare, summarize

VALUES = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=9)


@given(VALUES, st.integers(0, 99))
def test_a_comparison_is_scipys_paired_t_test(values, seed):
    baseline = np.random.default_rng(seed).normal(size=len(values))
    compared = compare(values, baseline)
    expected = stats.ttest_rel(values, baseline)
    interval = expected.confidence_interval(0.95)
    differences = np.array(values) - baseline
    assert compared.p == pytest.approx(expected.pvalue)
    assert (compared.low, compared.high) == pytest.approx((interval.low, interval.high))
    assert compared.difference == pytest.approx(differences.mean())
    assert compared.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert compared.count == len(values)


@given(VALUES)
def test_a_summary_is_numpys(values):
    summary = summarize(values)
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.std == pytest.approx(np.std(values, ddof=1))
    assert summary.count == len(values)


def test_too_few_values_leave_unknown_what_is_unknown():
    assert math.isnan(summarize([]).mean)
    assert summarize([3.0]).mean == 3
    assert math.isnan(summarize([3.0]).std)
    assert compare([], []).count == 0
    one = compare([3.0], [1.0])
    assert (one.difference, one.count) == (2, 1)
    assert all(map(math.isnan, (one.p, one.low, one.high, one.effect_size)))


def test_equal_differences_have_no_spread_to_be_judged_by():
    same = compare([1.0, 2.0], [1.0, 2.0])
    assert (same.difference, same.p, same.effect_size) == (0, 1, 0)
    shifted = compare([2.0, 3.0], [1.0, 2.0])
    assert (shifted.difference, shifted.count) == (1, 2)
    assert all(map(math.isnan, (shifted.p, shifted.low, shifted.high, shifted.effect_size)))
    up_to_rounding = compare([0.1 + 3 / 2004, 0.3 + 3 / 2004, 0.7 + 3 / 2004], [0.1, 0.3, 0.7])
    assert up_to_rounding.difference == pytest.approx(3 / 2004)
    assert math.isnan(up_to_rounding.p)


def test_a_value_that_is_no_number_makes_a_mean_that_is_none():
    assert math.isnan(summarize([1.0, math.nan, 2.0]).mean)
    assert math.isnan(summarize([1.0, math.inf]).std)


def test_unequal_numbers_are_refused():
    with pytest.raises(ValueError, match="2 values, 1 of the baseline"):
        compare([1.0, 2.0], [1.0])
