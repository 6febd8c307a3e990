"""Cosine similarity that stays finite, in value and gradient, on rows of zeros.

All of it is computed in float32 or better; the gradient goes back in the type of the rows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refnet_mmf.core.precision import at_least_float32

# Rows shorter than this have no direction: their similarity to anything is taken as it comes,
# near 0, instead of being blown up (with a gradient of 1 / length) to unit length.
SHORTEST_DIRECTION = 1e-6
SHORTEST_DIRECTION_IN_FLOAT16 = 1e-4
"""The same, where a gradient above 65504 is infinite."""


def unit_rows(rows: Tensor) -> Tensor:
    """Scale each row of ``rows`` [B, D] to unit length; rows (almost) of zeros stay as they are."""
    is_float16 = rows.dtype == torch.float16
    shortest = SHORTEST_DIRECTION_IN_FLOAT16 if is_float16 else SHORTEST_DIRECTION
    rows = at_least_float32(rows)
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / torch.where(length > shortest, length, torch.ones_like(length))


def row_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarity of each row of ``first`` [B, D] with the same row of ``second``: [B]."""
    return (unit_rows(first) * unit_rows(second)).sum(dim=-1)


def pairwise_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarity of all rows of ``first`` [A, D] with all of ``second`` [B, D]: [A, B]."""
    first, second = unit_rows(first), unit_rows(second)
    dtype = torch.promote_types(first.dtype, second.dtype)
    return first.to(dtype) @ second.to(dtype).T


def self_cosine(rows: Tensor) -> Tensor:
    """Cosine similarity of all ``rows`` [B, D] with one another: [B, B].

    The value and the gradient of ``pairwise_cosine(rows, rows)``, with two matrix products instead
    of three.
    """
    return self_products(unit_rows(rows))


def self_products(rows: Tensor) -> Tensor:
    """Dot products of all ``rows`` [B, D] with one another, in float32 or better: [B, B]."""
    products: Tensor = _Gram.apply(at_least_float32(rows))  # type: ignore[no-untyped-call]
    return products


class _Gram(torch.autograd.Function):
    """``rows @ rows.T``, whose backward pass makes use of the symmetry."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor) -> Tensor:
        return rows @ rows.T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        product: Tensor = (gradient + gradient.mT) @ rows
        return product
