"""Choices among samples that depend on a seed and the samples' ids alone.

They are the same on every machine, rank, worker and epoch, whatever the order of the samples is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence

from refnet_mmf.core.messages import check_number


def seeded_order(ids: Sequence[str], seed: int) -> list[int]:
    """Return the positions of ``ids`` in the order of the hash of seed and id."""
    return sorted(range(len(ids)), key=lambda position: (_hash(ids[position], seed), position))


def choose_fraction(
    ids: Sequence[str], fraction: float, seed: int, strata: Sequence[Hashable] | None = None
) -> list[int]:
    """Choose ``round(fraction * N)`` of N samples, at least one: those of the smallest hash.

    The choices are nested: the 5 % are among the 10 % of the same seed.

    Args:
        ids: each sample's id.
        fraction: above 0, at most 1.
        seed: another seed, another choice.
        strata: each sample's stratum, e.g. its class: each has its share of any fraction, as near
            as whole samples go. None: no strata.

    Returns:
        The chosen samples' positions, in ascending order.

    Raises:
        TypeError: ``fraction`` is not a number.
        ValueError: it is out of range, or ``ids`` and ``strata`` differ in length.
    """
    check_number("choose_fraction: fraction", fraction, above=0)
    if fraction > 1:
        raise ValueError(f"choose_fraction: fraction: expected at most 1, got {fraction!r}")
    if strata is not None and len(strata) != len(ids):
        raise ValueError(f"choose_fraction: {len(ids)} ids, but {len(strata)} strata")
    order = seeded_order(ids, seed)
    if strata is not None:
        order = _interleaved(order, strata, seed)
    return sorted(order[: max(round(fraction * len(ids)), min(len(ids), 1))])


def another_sample(ids: Sequence[str], seed: int) -> list[int]:
    """Return for each sample the position of another one: a permutation that keeps none.

    Raises:
        ValueError: there are fewer than two samples.
    """
    if len(ids) < 2:
        raise ValueError(f"another_sample: expected two samples or more, got {len(ids)}")
    order = seeded_order(ids, seed)
    others = [0] * len(ids)
    for position, successor in zip(order, order[1:] + order[:1], strict=True):
        others[position] = successor
    return others


def rarest_label(label_sets: Sequence[Sequence[str]]) -> list[str]:
    """Return of each label set the label that the fewest sets hold: a stratum for label sets."""
    count = Counter(label for labels in label_sets for label in labels)
    return [
        min(labels, key=lambda label: (count[label], label), default="") for labels in label_sets
    ]


def _interleaved(order: Sequence[int], strata: Sequence[Hashable], seed: int) -> list[int]:
    """Reorder so that any first part holds each stratum's share, and keep the order within each.

    The strata begin at different points: of many strata of one sample each, too, a tenth of the
    samples lie in the first tenth.
    """
    size = Counter(strata)
    by_hash = sorted(size, key=lambda stratum: _hash(str(stratum), seed))
    start = {stratum: (place + 0.5) / len(size) for place, stratum in enumerate(by_hash)}
    seen: Counter[Hashable] = Counter()
    share = {}
    for position in order:
        stratum = strata[position]
        share[position] = (seen[stratum] + start[stratum]) / size[stratum]
        seen[stratum] += 1
    return sorted(order, key=share.__getitem__)


def _hash(sample: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{sample}".encode()).digest()
