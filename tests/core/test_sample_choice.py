"""Choices of samples that depend on a seed and the samples' ids alone."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet_mmf.core.sample_choice import (
    another_sample,
    choose_fraction,
    rarest_label,
    seeded_order,
)

IDS = [f"{number:05d}" for number in range(1000)]
FRACTIONS = (0.05, 0.1, 0.2, 0.5, 1.0)


def _chosen(ids: list[str], *arguments: object) -> set[str]:
    return {ids[position] for position in choose_fraction(ids, *arguments)}  # type: ignore[arg-type]


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_a_fraction_has_its_size_and_is_in_order(fraction):
    chosen = choose_fraction(IDS, fraction, 0)
    assert len(chosen) == round(fraction * len(IDS))
    assert chosen == sorted(set(chosen))


def test_the_choice_is_nested_and_another_seed_chooses_others():
    strata = [int(name) % 7 for name in IDS]
    for groups in (None, strata):
        choices = [_chosen(IDS, fraction, 3, groups) for fraction in FRACTIONS]
        for smaller, larger in itertools.pairwise(choices):
            assert smaller < larger
    assert _chosen(IDS, 0.1, 3) != _chosen(IDS, 0.1, 4)


@given(st.lists(st.text(max_size=4), unique=True, min_size=1, max_size=30), st.integers(0, 5))
def test_the_choice_does_not_depend_on_the_order_of_the_samples(ids, seed):
    shuffled = random.Random(seed).sample(ids, len(ids))
    assert _chosen(ids, 0.3, seed) == _chosen(shuffled, 0.3, seed)
    assert len(_chosen(ids, 0.3, seed)) >= 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("strata_count", [2, 10])
def test_every_stratum_keeps_its_share_give_or_take_one(strata_count, seed):
    generator = random.Random(strata_count)
    strata = [min(int(generator.expovariate(1)), strata_count - 1) for _ in IDS]
    assert len(set(strata)) >= 2
    for fraction in FRACTIONS:
        chosen = choose_fraction(IDS, fraction, seed, strata)
        count = Counter(strata[position] for position in chosen)
        for stratum, size in Counter(strata).items():
            assert abs(count[stratum] - fraction * size) <= 1


def test_many_strata_of_one_sample_do_not_wait_for_the_large_one():
    """A hundred samples of one class, and a hundred of a class of their own each."""
    strata = [*["large"] * 100, *range(100)]
    ids = [str(number) for number in range(200)]
    for seed, fraction in itertools.product(range(5), (0.05, 0.25, 0.5)):
        chosen = choose_fraction(ids, fraction, seed, strata)
        large = sum(strata[position] == "large" for position in chosen)
        assert abs(large - fraction * 100) <= 1


def test_within_a_stratum_the_choice_is_by_the_hash_alone():
    strata = [int(name) % 7 for name in IDS]
    order = seeded_order(IDS, 3)
    for fraction in FRACTIONS:
        chosen = choose_fraction(IDS, fraction, 3, strata)
        for stratum in range(7):
            own = [position for position in order if strata[position] == stratum]
            taken = {position for position in chosen if strata[position] == stratum}
            assert taken == set(own[: len(taken)])


@given(st.integers(2, 40), st.integers(0, 5))
def test_another_sample_is_a_permutation_that_keeps_none(count, seed):
    others = another_sample([str(number) for number in range(count)], seed)
    assert sorted(others) == list(range(count))
    assert all(other != own for own, other in enumerate(others))


def test_the_rarest_label_stands_for_a_set():
    sets = [["drama"], ["drama", "war"], [], ["drama", "noir"], ["noir", "war"]]
    # drama 3, war 2, noir 2: of two that are equally rare, the first of the alphabet.
    assert rarest_label(sets) == ["drama", "war", "", "noir", "noir"]


def test_the_order_is_the_same_on_every_machine():
    """The hash is spelt out: a change would make old label files and runs disagree."""
    assert seeded_order(["a", "b", "c", "d"], 0) == [3, 0, 2, 1]
    assert another_sample(list("abcd"), 0) == [2, 3, 1, 0]
    assert another_sample(list("abcd"), 1) == [1, 2, 3, 0]
    strata = list("xxxxxxyyyz")
    for fraction, positions in ((0.1, [7]), (0.3, [3, 5, 7]), (0.5, [0, 3, 5, 6, 7])):
        assert choose_fraction(list("abcdefghij"), fraction, 0, strata) == positions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IDS, 0, 0), "fraction: expected more than 0, got 0"),
        ((IDS, 1.5, 0), "fraction: expected at most 1, got 1.5"),
        ((IDS, True, 0), "fraction: expected a number, got True"),
        ((IDS, float("nan"), 0), "fraction: expected a finite number"),
        ((IDS, 0.5, 0, ["a"]), "1000 ids, but 1 strata"),
    ],
)
def test_what_is_wrong_is_said(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        choose_fraction(*arguments)


def test_one_sample_has_no_other():
    with pytest.raises(ValueError, match="expected two samples or more, got 1"):
        another_sample(["a"], 0)
