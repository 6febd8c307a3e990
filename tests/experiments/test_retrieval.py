"""Retrieval against a slow loop, with ties, duplicates, missing labels and any k."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnet_mmf.experiments.retrieval import hit_chance, queries_of, retrieve
from refnet_mmf.plugin.embedding_set import EmbeddingSet

KS = (1, 2, 3, 20)


def label_set(label):
    if np.ndim(label) == 0:
        return {int(label)} if label >= 0 else set()
    return {int(i) for i in np.flatnonzero(label)}


def similarity(query, key, metric):
    if metric == "euclidean":
        return round(-float(((query - key) ** 2).sum()), 8)
    lengths = float(np.linalg.norm(query) * np.linalg.norm(key))
    return round(float(query @ key) / lengths, 8) if lengths else 0.0


def oracle(queries, keys, labels, match, metric):
    """Each order of the keys in turn, each sorted by similarity: the mean over the orders."""
    hits, chance = np.zeros(len(KS)), np.zeros(len(KS))
    asked = [i for i in range(len(keys)) if label_set(labels[i])]
    for i in asked:
        own = label_set(labels[i])
        others = [j for j in range(len(keys)) if j != i]
        near = {j: similarity(queries[i], keys[j], metric) for j in others}
        right = {
            j: label_set(labels[j]) == own if match == "exact" else bool(label_set(labels[j]) & own)
            for j in others
        }
        orders = list(permutations(others))
        for order in orders:
            ranked = sorted(order, key=lambda j, near=near: -near[j])
            for column, k in enumerate(KS):
                hits[column] += any(right[j] for j in ranked[:k]) / len(orders)
                chance[column] += any(right[j] for j in order[:k]) / len(orders)
    return hits / len(asked), chance / len(asked)


@st.composite
def samples(draw):
    count = draw(st.integers(1, 6))
    numbers = st.integers(-1, 1)  # few values: ties, duplicates and vectors of zeros
    rows = st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=count, max_size=count)
    queries, keys = (np.array(draw(rows), np.float32) for _ in range(2))
    if draw(st.booleans()):
        labels = np.array(draw(st.lists(st.integers(-1, 2), min_size=count, max_size=count)))
        labels[0] = 0
    else:
        sets = st.lists(st.integers(0, 1), min_size=3, max_size=3)
        labels = np.array(draw(st.lists(sets, min_size=count, max_size=count)), np.uint8)
        labels[0, 0] = 1
    return queries, keys, labels


@settings(max_examples=60, deadline=None)
@given(samples(), st.sampled_from(["exact", "any"]), st.sampled_from(["cosine", "euclidean"]))
def test_is_the_loop(given_samples, match, metric):
    queries, keys, labels = given_samples
    found = retrieve(queries, keys, labels, match=match, metric=metric, ks=KS)
    hits, chance = oracle(queries, keys, labels, match, metric)
    np.testing.assert_allclose(list(found.hits.values()), hits, atol=1e-9)
    np.testing.assert_allclose(list(found.chance.values()), chance, atol=1e-9)
    assert found.queries == sum(bool(label_set(label)) for label in labels)


def blobs(count=300, classes=5, width=12, seed=0, noise=1.0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    keys = random.normal(size=(classes, width))[labels] + noise * random.normal(size=(count, width))
    return keys.astype(np.float32), labels


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("match", ["exact", "any"])
def test_the_block_size_changes_nothing(metric, match):
    keys, labels = blobs()
    keys[40:80] = keys[:40]  # duplicates: ties that rounding must not break
    queries = keys + np.float32(0.5)
    sets = np.eye(5, dtype=np.uint8)[labels] | np.eye(5, dtype=np.uint8)[labels[::-1]]
    whole = retrieve(queries, keys, sets, match=match, metric=metric, block=1000)
    for block in (1, 7, 256):
        other = retrieve(queries, keys, sets, match=match, metric=metric, block=block)
        assert other.hits == pytest.approx(whole.hits, abs=1e-12)
        assert other.chance == pytest.approx(whole.chance, abs=1e-12)


def test_embeddings_that_are_all_alike_are_at_chance():
    _, labels = blobs()
    alike = np.ones((len(labels), 7), np.float32)
    found = retrieve(alike, alike, labels)
    assert found.hits == pytest.approx(found.chance)


def test_clusters_are_found_and_noise_is_at_chance():
    keys, labels = blobs(noise=0.05)
    assert retrieve(keys, keys, labels).hits[1] == 1
    noise = np.random.default_rng(1).normal(size=keys.shape)
    found = retrieve(noise, keys, labels)
    assert found.hits[1] == pytest.approx(found.chance[1], abs=0.08)
    assert found.chance[1] == pytest.approx(0.2, abs=0.02)


def test_a_sample_does_not_find_itself():
    keys = np.eye(4, dtype=np.float32)
    assert retrieve(keys, keys, np.arange(4), ks=(3,)).hits == {3: 0}


def test_samples_without_labels_are_keys_but_no_queries():
    keys = np.array([[1, 0], [1, 0.1], [1, 0.5], [0, 1]], np.float32)
    sets = np.array([[1, 0], [0, 0], [1, 0], [0, 0]], np.uint8)
    found = retrieve(keys, keys, sets, ks=(1, 2))
    assert found.queries == 2
    # The unlabelled second sample stands between the two.
    assert found.hits == {1: 0, 2: 1}


def test_chance_of_draws_without_replacement():
    draws, right, wrong = np.array([0, 1, 2, 9, 3]), np.array([1, 1, 2, 1, 0]), np.full(5, 3)
    expected = [0, 1 / 4, 1 - (3 / 5) * (2 / 4), 1, 0]
    np.testing.assert_allclose(hit_chance(draws, right, wrong), expected)


def test_query_forms():
    fused = np.ones((2, 3), np.float32)
    features = {"text": np.full((2, 2), 5.0), "image": np.arange(8.0).reshape(2, 4)}
    embeddings = EmbeddingSet(np.array(["a", "b"]), fused, features, {"text": 2 * fused})
    padded = queries_of(embeddings, "text", "padded")
    np.testing.assert_array_equal(padded, [[5, 5, 0], [5, 5, 0]])
    cut = queries_of(embeddings, "image", "padded")
    np.testing.assert_array_equal(cut, [[0, 1, 2], [4, 5, 6]])
    np.testing.assert_array_equal(queries_of(embeddings, "text", "fused"), 2 * fused)
    with pytest.raises(ValueError, match="unknown modality 'image'"):
        queries_of(embeddings, "image", "fused")
    with pytest.raises(ValueError, match="unknown form 'full'"):
        queries_of(embeddings, "image", "full")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"match": "intersect"}, "unknown rule 'intersect'"),
        ({"metric": "cosin"}, "did you mean 'cosine'"),
        ({"labels": np.full(3, -1)}, "no sample has a label"),
        ({"labels": np.zeros(2)}, "labels of N"),
        ({"labels": np.zeros((3, 2, 2))}, "labels: expected shape"),
        ({"queries": np.zeros((3, 5))}, r"expected queries and keys \[N, F\]"),
        ({"queries": np.diag([1, 1, np.nan])}, "expected finite queries and keys"),
        ({"ks": (0,)}, "at least 1"),
        ({"block": 0}, "at least 1"),
    ],
)
def test_bad_input(changes, message):
    arguments = {"queries": np.eye(3), "keys": np.eye(3), "labels": np.zeros(3), **changes}
    with pytest.raises(ValueError, match=message):
        retrieve(**arguments)
