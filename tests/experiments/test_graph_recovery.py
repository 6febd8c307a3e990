"""Recovery of a hidden graph: the formulas against loops, and what theory says of the errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnet_mmf.experiments import graph_recovery
from refnet_mmf.experiments.graph_recovery import (
    WEIGHTS,
    WIDTHS,
    compact,
    count_curves,
    decoder_weights,
    draw,
    draw_adjacency,
    fuse,
    fused_ranks,
    leading_eigenvectors,
    leading_weights,
    recover,
    recover_adjacency,
    recoveries,
    relative_error,
    whiten,
)

seeds = st.integers(0, 10_000)
quick = settings(max_examples=25, deadline=None)


def product(left, right):
    """The product of two matrices, entry by entry."""
    rows, inner, columns = len(left), len(right), len(right[0])
    result = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            for n in range(inner):
                result[i, j] += left[i][n] * right[n][j]
    return result


def pseudo_inverse(matrix, rank):
    """The pseudo-inverse of a matrix of known rank: a sum over its singular triples."""
    left, values, right = np.linalg.svd(matrix)
    result = np.zeros(matrix.T.shape)
    for n in range(rank):
        for i in range(result.shape[0]):
            for j in range(result.shape[1]):
                result[i, j] += right[n, i] * left[j, n] / values[n]
    return result


@pytest.mark.parametrize("k", [1, 4, 6, 7])
def test_fusion_decoder_and_recovery_are_those_of_the_loops(k):
    drawn = draw(7, 14, seed=3)
    weights = drawn.weights[:k]
    embedding = product(product(weights, drawn.adjacency), drawn.features)
    decoder = product(drawn.features, pseudo_inverse(embedding, k))
    recovered = pseudo_inverse(product(decoder, weights), k)
    np.testing.assert_allclose(fuse(weights, drawn.adjacency, drawn.features), embedding)
    np.testing.assert_allclose(decoder_weights(drawn.features, embedding), decoder, atol=1e-9)
    np.testing.assert_allclose(recover_adjacency(decoder, weights), recovered, atol=1e-9)
    np.testing.assert_allclose(
        recover(weights, drawn.adjacency, drawn.features), recovered, atol=1e-9
    )


@given(seed=seeds, m=st.integers(1, 24), width=st.sampled_from(WIDTHS))
@quick
def test_a_hidden_graph_is_a_symmetric_zero_one_matrix_with_an_inverse(seed, m, width):
    drawn = draw(m, width * m, seed)
    adjacency = drawn.adjacency
    assert adjacency.shape == (m, m) and adjacency.dtype == np.float64
    assert set(np.unique(adjacency)) <= {0.0, 1.0}
    assert (adjacency == adjacency.T).all() and (np.diag(adjacency) == 1).all()
    assert abs(np.linalg.det(adjacency)) > 0.5  # the determinant of whole numbers is whole
    assert drawn.features.shape == (m, width * m) and drawn.weights.shape == (m, m)


def test_singular_draws_are_drawn_again():
    singular = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        upper = np.triu(rng.integers(0, 2, (2, 2)), 1)
        singular += int(upper[0, 1])
        adjacency = draw_adjacency(2, np.random.default_rng(seed))
        np.testing.assert_array_equal(adjacency, np.eye(2))  # the only one of two with an inverse
    assert 5 < singular < 35


def test_singular_weights_are_drawn_again(monkeypatch):
    first = draw(5, 10, seed=0)
    answers = iter([True, False, True])
    monkeypatch.setattr(graph_recovery, "is_invertible", lambda matrix: next(answers))
    second = draw(5, 10, seed=0)
    np.testing.assert_array_equal(first.features, second.features)
    assert not np.array_equal(first.weights, second.weights)


@given(seed=seeds, m=st.integers(1, 24), width=st.sampled_from(WIDTHS))
@quick
def test_recovery_is_exact_at_full_rank_and_gamma_w_a_is_the_identity(seed, m, width):
    drawn = draw(m, width * m, seed)
    for weights in (drawn.weights, leading_weights(drawn.adjacency, drawn.features)):
        # Theorem A.1, as exactly as the worst condition of the factors lets float64 be.
        rounding = 1e-14 * m * np.linalg.cond(weights @ drawn.adjacency @ drawn.features)
        allowed = rounding * np.linalg.cond(weights)
        decoder = decoder_weights(drawn.features, fuse(weights, drawn.adjacency, drawn.features))
        np.testing.assert_allclose(
            decoder @ weights @ drawn.adjacency, np.eye(m), atol=max(allowed, 1e-10)
        )
        recovered = recover_adjacency(decoder, weights)
        assert relative_error(recovered, drawn.adjacency) < max(allowed, 1e-10)


@pytest.mark.parametrize("m", [16, 64])
def test_errors_at_full_rank_are_rounding_alone(m):
    for seed in range(3):
        full = [found.error for found in recoveries(m, seed) if found.fused_rank == m]
        assert len(full) == count_curves()
        assert max(full) < 1e-8
        less = [found.error for found in recoveries(m, seed) if found.fused_rank < m]
        assert min(less) > 1e-5


def test_the_mean_error_falls_with_the_rank():
    errors = {}
    for seed in range(6):
        for found in recoveries(24, seed):
            key = (found.weights, found.features_dim)
            errors.setdefault(key, {}).setdefault(found.fused_rank, []).append(found.error)
    assert len(errors) == count_curves()
    for curve in errors.values():
        means = [np.mean(curve[k]) for k in sorted(curve)]
        assert (np.diff(means) < 0).all()


@given(seed=seeds, m=st.integers(4, 24), data=st.data())
@quick
def test_whitened_features_leave_the_part_of_the_graph_that_the_weights_see(seed, m, data):
    k = data.draw(st.integers(1, m))
    drawn = draw(m, 2 * m, seed)
    white = whiten(drawn.features)
    np.testing.assert_allclose(white @ white.T, np.eye(m), atol=1e-12)
    # A_hat = pinv(W) W A, whatever d is.
    weights = drawn.weights[:k]
    seen = np.linalg.pinv(weights) @ weights @ drawn.adjacency
    tolerance = 1e-10 * np.linalg.cond(drawn.adjacency) * np.linalg.cond(weights)
    np.testing.assert_allclose(recover(weights, drawn.adjacency, white), seen, atol=tolerance)
    # Leading eigenvectors: the best matrix of rank k there is, so no weights do better.
    best = recover(leading_weights(drawn.adjacency, white)[:k], drawn.adjacency, white)
    values = np.sort(np.abs(np.linalg.eigvalsh(drawn.adjacency)))[: m - k]
    bound = np.sqrt((values**2).sum()) / np.linalg.norm(drawn.adjacency)
    assert relative_error(best, drawn.adjacency) == pytest.approx(bound, abs=1e-9)
    gaussian = recover(weights, drawn.adjacency, drawn.features)
    assert relative_error(gaussian, drawn.adjacency) >= bound - 1e-9


def test_gaussian_weights_on_whitened_features_leave_what_they_do_not_see():
    m, errors = 32, {8: [], 16: [], 24: []}
    for seed in range(30):
        drawn = draw(m, m, seed)
        white = whiten(drawn.features)
        for k, squares in errors.items():
            found = recover(drawn.weights[:k], drawn.adjacency, white)
            squares.append(relative_error(found, drawn.adjacency) ** 2)
    for k, squares in errors.items():
        assert np.mean(squares) == pytest.approx(1 - k / m, abs=0.05)


def test_wider_features_come_nearer_to_whitened_ones():
    errors = {}
    for seed in range(8):
        for found in recoveries(16, seed):
            if found.fused_rank == 8:
                key = (found.weights, found.features_dim)
                errors.setdefault(key, []).append(found.error)
    for weights in WEIGHTS:
        means = [np.mean(errors[weights, width]) for width in (32, 64, 128, None)]
        assert (np.diff(means) < 0).all()


@given(seed=seeds, m=st.integers(2, 12), data=st.data())
@quick
def test_the_row_space_of_the_weights_decides_and_compact_features_stand_for_all(seed, m, data):
    k = data.draw(st.integers(1, m))
    drawn = draw(m, 3 * m, seed)
    weights = drawn.weights[:k]
    found = recover(weights, drawn.adjacency, drawn.features)
    mixed = np.linalg.cond(weights @ drawn.adjacency) * np.linalg.cond(weights)
    near = {"rtol": 1e-8, "atol": 1e-11 * mixed * np.abs(found).max()}
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((k, k)))[0]
    np.testing.assert_allclose(
        recover(rotation @ weights, drawn.adjacency, drawn.features), found, **near
    )
    np.testing.assert_allclose(
        recover(weights, drawn.adjacency, 7.0 * drawn.features), found, **near
    )
    small = compact(drawn.features)
    assert small.shape == (m, m)
    np.testing.assert_allclose(recover(weights, drawn.adjacency, small), found, **near)


@given(m=st.integers(1, 600))
@quick
def test_the_ranks_end_at_m(m):
    ranks = fused_ranks(m)
    assert ranks[0] == 1 and ranks[-1] == m and ranks == sorted(set(ranks))
    assert m == 1 or m - 1 in ranks


def test_the_same_seed_gives_the_same_numbers_and_another_one_others():
    first, again, other = (list(recoveries(12, seed)) for seed in (1, 1, 2))
    assert first == again and len(first) == count_curves() * len(fused_ranks(12))
    assert [found.error for found in first] != [found.error for found in other]
    wide, narrow = draw(6, 48, seed=5), draw(6, 12, seed=5)
    np.testing.assert_array_equal(wide.features[:, :12], narrow.features)
    np.testing.assert_array_equal(wide.weights, narrow.weights)


@given(seed=seeds, m=st.integers(3, 16))
@quick
def test_leading_eigenvectors_are_ordered_unit_and_signed(seed, m):
    adjacency = draw_adjacency(m, np.random.default_rng(seed))
    vectors = leading_eigenvectors(adjacency, 3)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-10)
    values = [vector @ adjacency @ vector for vector in vectors]
    for vector, value in zip(vectors, values, strict=True):
        np.testing.assert_allclose(adjacency @ vector, value * vector, atol=1e-10)
        assert vector[np.abs(vector).argmax()] > 0
    sizes = np.sort(np.abs(np.linalg.eigvalsh(adjacency)))[::-1]
    np.testing.assert_allclose(np.abs(values), sizes[:3], atol=1e-10)


@pytest.mark.parametrize(
    ("weights", "adjacency", "features", "said"),
    [
        ((2, 3), (4, 4), (4, 8), r"weights: expected \[k, m\] with m = 4 and k at most m, got \[2"),
        ((5, 4), (4, 4), (4, 8), r"weights: .* got \[5, 4\]"),
        ((2, 4), (4, 3), (4, 8), r"adjacency: expected \[m, m\] with m = 4.*got \[4, 3\]"),
        ((3, 4), (4, 4), (4, 2), r"features: expected \[m, d\] with d at least 3, got \[4, 2\]"),
    ],
)
def test_shapes_that_do_not_fit_are_named(weights, adjacency, features, said):
    with pytest.raises(ValueError, match=said):
        recover(np.ones(weights), np.ones(adjacency), np.ones(features))


def test_a_graph_of_nothing_and_features_too_narrow_to_whiten_are_refused():
    with pytest.raises(ValueError, match="modalities: expected at least 1, got 0"):
        draw_adjacency(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="d at least 4"):
        whiten(np.ones((4, 3)))
