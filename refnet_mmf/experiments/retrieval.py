"""Retrieval: is one of the samples nearest to a query of the query's label? (Tables 1 and 7).

The keys are the fused embeddings, the query is made of one modality, and a sample never finds
itself. All neighbours are compared, block by block; ties count as their expected value under a
random order, so that embeddings that are all alike are at chance, not at 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refnet_mmf.core.messages import check_name
from refnet_mmf.plugin.embedding_set import EmbeddingSet

Array = NDArray[Any]

MATCHES = ("exact", "any")
METRICS = ("cosine", "euclidean")
QUERIES = ("fused", "padded")
MEANING = {
    "fused": "the fused embedding with the other modality taken away",
    "padded": "the modality's own feature, padded or cut to the embedding's width",
    "exact": "has the same label set",
    "any": "shares a label",
}
KS = (1, 2, 5, 10)
BLOCK = 256
# Nearer to one another than this, similarities are ties: what rounding makes of equal vectors.
DECIMALS = 10


@dataclass(frozen=True)
class Retrieval:
    """How often one of the k nearest is a match.

    Attributes:
        hits: by k, the share of queries with a match among the k nearest, in 0..1.
        chance: by k, that of a random order.
        queries: how many there were: the samples with a label.
    """

    hits: dict[int, float]
    chance: dict[int, float]
    queries: int


def queries_of(embeddings: EmbeddingSet, modality: str, form: str) -> Array:
    """Return the queries of a modality, [N, F].

    Args:
        embeddings: of a split.
        modality: what the query is made of.
        form: ``fused``: the fused embedding with the other modality taken away; ``padded``: the
            paper's, the modality's own feature, padded with zeros or cut to the width F.

    Raises:
        ValueError: the form or the modality is not there.
    """
    check_name("query", "form", form, QUERIES)
    there = embeddings.queries if form == "fused" else embeddings.features
    check_name(f"query {form!r}", "modality", modality, there)
    rows = there[modality]
    if form == "fused":
        return rows
    width = embeddings.fused.shape[1]
    padded: Array = np.zeros((len(rows), width), rows.dtype)
    padded[:, : rows.shape[1]] = rows[:, :width]
    return padded


def retrieve(
    queries: Array,
    keys: Array,
    labels: Array,
    *,
    match: str = "exact",
    metric: str = "cosine",
    ks: Sequence[int] = KS,
    block: int = BLOCK,
) -> Retrieval:
    """Rank all other samples for each query.

    A sample without labels (class -1, or an empty label set) is no query, and no match of any; it
    is among the keys. Where k is larger than the number of the others, all of them are near.

    Args:
        queries: [N, F]; row i is of the sample whose key is row i.
        keys: [N, F].
        labels: class indices [N], or label sets [N, C] of 0 and 1.
        match: ``exact``: equal label sets; ``any``: they share a label.
        metric: ``cosine``, or ``euclidean``; a vector of zeros has the cosine 0 to any.
        ks: how many neighbours count.
        block: queries at a time: changes nothing but the memory, about 50 * block * N bytes.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, a name that is not known,
            or no sample has a label.
    """
    check_name("match", "rule", match, MATCHES)
    check_name("metric", "metric", metric, METRICS)
    if queries.shape != keys.shape or keys.ndim != 2 or len(labels) != len(keys):
        raise ValueError(
            f"expected queries and keys [N, F] and labels of N, got shapes {queries.shape}, "
            f"{keys.shape} and {labels.shape}"
        )
    if not (np.isfinite(queries).all() and np.isfinite(keys).all()):
        raise ValueError("expected finite queries and keys, got some that are not")
    if min(ks) < 1 or block < 1:
        raise ValueError(f"expected k and block of at least 1, got {list(ks)} and {block}")
    sets = _label_sets(labels, match)
    asked = np.flatnonzero(sets.any(axis=1) if sets.ndim == 2 else sets >= 0)
    if len(asked) == 0:
        raise ValueError("no sample has a label")
    left, right = _comparable(queries, keys, metric)
    hits = np.zeros(len(ks))
    chance = np.zeros(len(ks))
    for start in range(0, len(asked), block):
        rows = asked[start : start + block]
        similarity = np.round(_similarity(left[rows], right, metric), DECIMALS)
        matching = _matching(sets, rows)
        here = np.arange(len(rows))
        similarity[here, rows] = -np.inf
        matching[here, rows] = False
        best = np.where(matching, similarity, -np.inf).max(axis=1)
        found = matching.any(axis=1)
        nearer = (similarity > best[:, None]).sum(axis=1)
        tied = similarity == best[:, None]
        right_ones = (tied & matching).sum(axis=1)
        wrong_ones = (tied & ~matching).sum(axis=1)
        matches = matching.sum(axis=1)
        others = len(keys) - 1
        for column, k in enumerate(ks):
            hits[column] += (found * hit_chance(k - nearer, right_ones, wrong_ones)).sum()
            chance[column] += hit_chance(np.full(len(rows), k), matches, others - matches).sum()
    return Retrieval(
        dict(zip(ks, (hits / len(asked)).tolist(), strict=True)),
        dict(zip(ks, (chance / len(asked)).tolist(), strict=True)),
        len(asked),
    )


def hit_chance(draws: Array, right: Array, wrong: Array) -> Array:
    """Return the probability that one of ``draws`` of right and wrong ones is right, [B].

    Args:
        draws: how many are drawn without replacement; none, where it is below 1.
        right: how many right ones there are.
        wrong: how many wrong ones.
    """
    missed = np.ones(len(draws))
    for drawn in range(int(min(draws.max(initial=0), (right + wrong).max(initial=0)))):
        left = np.maximum(right + wrong - drawn, 1)
        missed *= np.where(draws > drawn, np.maximum(wrong - drawn, 0) / left, 1.0)
    return np.where(right > 0, 1 - missed, 0.0)


def _label_sets(labels: Array, match: str) -> Array:
    """Return labels as what is to be compared: a class [N], -1 for none, or label sets [N, C]."""
    if labels.ndim == 1:
        return labels
    if labels.ndim != 2:
        raise ValueError(f"labels: expected shape [N] or [N, C], got {labels.shape}")
    sets: Array = (labels > 0).astype(np.float32)
    if match == "any":
        return sets
    _, classes = np.unique(sets, axis=0, return_inverse=True)
    return np.where(sets.any(axis=1), classes.reshape(-1), -1)


def _matching(sets: Array, rows: Array) -> Array:
    """Return which keys match each of these samples, bool [B, N]."""
    matching: Array = (
        sets[rows, None] == sets[None, :] if sets.ndim == 1 else sets[rows] @ sets.T > 0
    )
    return matching


def _comparable(queries: Array, keys: Array, metric: str) -> tuple[Array, Array]:
    """Scale the vectors, so that the similarities of either metric are of the order of 1."""
    left, right = queries.astype(np.float64), keys.astype(np.float64)
    lengths = [np.linalg.norm(rows, axis=1, keepdims=True) for rows in (left, right)]
    if metric == "cosine":
        left, right = (
            rows / np.where(length > 0, length, 1)
            for rows, length in zip((left, right), lengths, strict=True)
        )
        return left, right
    largest = max(length.max() for length in lengths) or 1.0
    return left / largest, right / largest


def _similarity(left: Array, right: Array, metric: str) -> Array:
    """Return the similarity of each row with each: a cosine, or a negative squared distance."""
    similarity: Array = left @ right.T
    if metric == "euclidean":
        similarity = 2 * similarity - (left**2).sum(axis=1)[:, None] - (right**2).sum(axis=1)
    return similarity
