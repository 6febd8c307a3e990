"""Recovery of a hidden graph from linear fusion (the paper's sections A.4 and A.6).

An adjacency matrix A [m, m] says which of m modalities are linked; features F [m, d] hold one
row for each. Linear fusion of rank k with weights W [k, m] gives the embedding E = W A F [k, d]
(Equation 6), and the linear refiner that gives back most of F has the weights
Gamma = F pinv(E) [m, k]. Theorem A.1: Gamma W A = I at k = m, so that A_hat = pinv(Gamma W).

What the paper leaves open, and what is done here:

* The order of the factors. A.6 multiplies "the weights with Gamma"; only Gamma W has the shape
  of A. W has to be known apart from A: from the product W A alone Gamma says nothing about A.
* The draws. Links are as likely as not, F and W are standard normal, m x m matrices that are
  singular are drawn again (at m = 2 every second one is: theorem and A_hat need an inverse).
* The weights. The paper's "random set of weights that represents some optimality with respect to a
  downstream loss" is read in two ways: Gaussian ones, and the leading left singular vectors of the
  mixed features A F (what a linear autoencoder would find without being told A). On whitened
  features, F F^T = I, the latter are the leading eigenvectors of A.
* The error is relative: the Frobenius norm of A_hat - A over that of A.

What follows for whitened features: A_hat = pinv(W) W A, the part of A that W sees. d has no
influence. Leading eigenvectors leave an error of sqrt(sum of the other squared eigenvalues) over
the norm, the least that a matrix of rank k can; Gaussian weights leave about sqrt(1 - k/m), which
falls slowly. Gaussian features come near to whitened ones as d grows: seen, as is exactness at
k = m and only there (relative error 1e-10 or less up to m = 512).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

WEIGHTS = ("Gaussian", "leading")
WIDTHS = (2, 4, 8)
"""The sizes d of a modality's features, in multiples of m; the paper starts from 2."""


@dataclass(frozen=True)
class Draw:
    """A hidden graph, features and Gaussian weights.

    Attributes:
        adjacency: A, [m, m].
        features: F, [m, d].
        weights: Gaussian W for k = m, [m, m]; the first k rows are those for a smaller k.
    """

    adjacency: Matrix
    features: Matrix
    weights: Matrix


@dataclass(frozen=True)
class Recovery:
    """The error of one recovered graph.

    Attributes:
        modalities: m.
        weights: one of ``WEIGHTS``.
        features_dim: d; None for whitened features, whose d has no influence.
        fused_rank: k.
        seed: of the draw.
        error: of A_hat, relative.
    """

    modalities: int
    weights: str
    features_dim: int | None
    fused_rank: int
    seed: int
    error: float


def draw_adjacency(modalities: int, rng: np.random.Generator) -> Matrix:
    """Draw a symmetric matrix of zeros and ones, ones on the diagonal, that has an inverse.

    Args:
        modalities: m, at least 1.
        rng: source of the draw; a singular matrix is thrown away and the next one drawn.

    Returns:
        A, [m, m].

    Raises:
        ValueError: m is less than 1.
    """
    if modalities < 1:
        raise ValueError(f"modalities: expected at least 1, got {modalities}")
    while True:
        upper = np.triu(rng.integers(0, 2, (modalities, modalities)), 1)
        adjacency: Matrix = upper + upper.T + np.eye(modalities)
        if is_invertible(adjacency):
            return adjacency


def is_invertible(matrix: Matrix) -> bool:
    """Tell whether ``matrix``, [m, m], has full rank in float64."""
    return bool(np.linalg.matrix_rank(matrix) == len(matrix))


def draw(modalities: int, features_dim: int, seed: int) -> Draw:
    """Draw graph, features and weights; the same arguments give the same numbers.

    Args:
        modalities: m, at least 1.
        features_dim: d; a smaller d from the same seed has the first columns of these features.
        seed: at least 0.
    """
    sequences = np.random.SeedSequence([seed, modalities]).spawn(3)
    graph, values, fusion = map(np.random.default_rng, sequences)
    adjacency = draw_adjacency(modalities, graph)
    features = values.standard_normal((features_dim, modalities)).T
    weights = fusion.standard_normal((modalities, modalities))
    while not is_invertible(weights):
        weights = fusion.standard_normal((modalities, modalities))
    return Draw(adjacency, features, weights)


def compact(features: Matrix) -> Matrix:
    """Return features of m columns from which any W gives the same Gamma and A_hat.

    F = L Q with orthonormal rows Q; Q falls out of F pinv(W A F).

    Args:
        features: F, [m, d].

    Returns:
        L, [m, min(m, d)].
    """
    upper: Matrix = np.linalg.qr(features.T)[1]
    return np.ascontiguousarray(upper.T)


def whiten(features: Matrix) -> Matrix:
    """Return whitened features: rows of the same span, F F^T = I. [m, d], d at least m."""
    _check_width(features, len(features))
    columns: Matrix = np.linalg.qr(features.T)[0]
    return np.ascontiguousarray(columns.T)


def leading_weights(adjacency: Matrix, features: Matrix) -> Matrix:
    """Return the left singular vectors of the mixed features A F, the leading one first.

    Args:
        adjacency: A, [m, m].
        features: F, [m, d], d at least m.

    Returns:
        W for k = m, [m, m], orthonormal rows; the first k are the weights of rank k.
    """
    _check_width(features, len(features))
    vectors: Matrix = np.linalg.svd(adjacency @ features, full_matrices=False)[0]
    return np.ascontiguousarray(vectors.T)


def fuse(weights: Matrix, adjacency: Matrix, features: Matrix) -> Matrix:
    """Return the fused embedding E = W A F (Equation 6).

    Args:
        weights: W, [k, m], k at most m.
        adjacency: A, [m, m].
        features: F, [m, d], d at least k.

    Returns:
        E, [k, d].

    Raises:
        ValueError: the shapes do not fit.
    """
    modalities = len(features)
    if adjacency.shape != (modalities, modalities):
        raise ValueError(
            f"adjacency: expected [m, m] with m = {modalities}, the rows of features, "
            f"got {list(adjacency.shape)}"
        )
    if weights.ndim != 2 or weights.shape[1] != modalities or len(weights) > modalities:
        raise ValueError(
            f"weights: expected [k, m] with m = {modalities} and k at most m, "
            f"got {list(weights.shape)}"
        )
    _check_width(features, len(weights))
    return weights @ adjacency @ features


def decoder_weights(features: Matrix, embedding: Matrix) -> Matrix:
    """Return the weights of the linear refiner, Gamma = F pinv(E): least squares of F from E.

    Args:
        features: F, [m, d].
        embedding: E, [k, d].

    Returns:
        Gamma, [m, k].
    """
    return features @ np.linalg.pinv(embedding)


def recover_adjacency(decoder: Matrix, weights: Matrix) -> Matrix:
    """Return A_hat = pinv(Gamma W), computed as pinv(W) pinv(Gamma).

    The two are equal, since Gamma has full column and W full row rank k. The second needs no
    threshold that tells the m - k vanishing singular values of Gamma W from small ones.

    Args:
        decoder: Gamma, [m, k].
        weights: W, [k, m].

    Returns:
        A_hat, [m, m], of rank k.
    """
    return np.linalg.pinv(weights) @ np.linalg.pinv(decoder)


def recover(weights: Matrix, adjacency: Matrix, features: Matrix) -> Matrix:
    """Fuse, decode, and return A_hat, [m, m]; arguments and errors are those of `fuse`."""
    embedding = fuse(weights, adjacency, features)
    return recover_adjacency(decoder_weights(features, embedding), weights)


def relative_error(recovered: Matrix, adjacency: Matrix) -> float:
    """Return the Frobenius norm of ``recovered - adjacency`` over that of ``adjacency``."""
    return float(np.linalg.norm(recovered - adjacency) / np.linalg.norm(adjacency))


def fused_ranks(modalities: int) -> list[int]:
    """Return the k to look at: powers of two below m/16, the sixteenths of m, and m - 1."""
    sixteenths = {round(modalities * part / 16) for part in range(1, 17)}
    powers = {2**power for power in range(modalities.bit_length()) if 2**power * 16 < modalities}
    return sorted(k for k in {*powers, *sixteenths, modalities - 1} if k >= 1)


def recoveries(modalities: int, seed: int) -> Iterator[Recovery]:
    """Recover the graph of one draw for all weights, widths of ``WIDTHS``, whitened, and all k.

    Args:
        modalities: m, at least 1.
        seed: of the draw.

    Yields:
        One recovery after the other: ``count_curves()`` times all k in their order.
    """
    drawn = draw(modalities, max(WIDTHS) * modalities, seed)
    wide: dict[int | None, Matrix] = {
        width * modalities: drawn.features[:, : width * modalities] for width in WIDTHS
    }
    for features_dim, features in {**wide, None: whiten(drawn.features)}.items():
        small = compact(features)
        for name, weights in zip(
            WEIGHTS, (drawn.weights, leading_weights(drawn.adjacency, small)), strict=True
        ):
            for k in fused_ranks(modalities):
                found = recover(weights[:k], drawn.adjacency, small)
                error = relative_error(found, drawn.adjacency)
                yield Recovery(modalities, name, features_dim, k, seed, error)


def count_curves() -> int:
    """Return how many pairs of weights and features `recoveries` goes through."""
    return len(WEIGHTS) * (len(WIDTHS) + 1)


def leading_eigenvectors(matrix: Matrix, count: int) -> Matrix:
    """Return eigenvectors of the symmetric part of ``matrix``, largest absolute eigenvalue first.

    Args:
        matrix: [m, m].
        count: how many.

    Returns:
        [count, m], unit rows whose entry of largest size is positive.
    """
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    rows: Matrix = vectors.T[np.argsort(-np.abs(values), kind="stable")[:count]]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(1, keepdims=True), 1)
    return np.multiply(rows, np.sign(largest))


def _check_width(features: Matrix, least: int) -> None:
    if features.ndim != 2 or features.shape[1] < least:
        raise ValueError(
            f"features: expected [m, d] with d at least {least}, got {list(features.shape)}"
        )
