"""Cosine similarity that stays finite, in value and gradient, on rows of zeros."""

from __future__ import annotations

import torch
from torch import Tensor

# Rows shorter than this have no direction: their similarity to anything is taken as it comes,
# near 0, instead of being blown up (with a gradient of 1 / length) to unit length.
SHORTEST_DIRECTION = 1e-6


def unit_rows(rows: Tensor) -> Tensor:
    """Scale each row of ``rows`` [B, D] to unit length; rows (almost) of zeros stay as they are."""
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / torch.where(length > SHORTEST_DIRECTION, length, torch.ones_like(length))


def row_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarity of each row of ``first`` [B, D] with the same row of ``second``: [B]."""
    return (unit_rows(first) * unit_rows(second)).sum(dim=-1)


def pairwise_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarity of all rows of ``first`` [A, D] with all of ``second`` [B, D]: [A, B]."""
    return unit_rows(first) @ unit_rows(second).T
