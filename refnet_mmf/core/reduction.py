"""Means over the part of a batch that counts, and the zero that is still part of the graph."""

from __future__ import annotations

import torch
from torch import Tensor


def connected_zero(tensor: Tensor) -> Tensor:
    """Return a scalar 0 that depends on ``tensor``: its gradient is zero, never missing, never NaN.

    A loss with nothing to do must still reach the parameters: distributed training waits for the
    gradient of each of them.
    """
    return tensor.flatten()[:0].sum()


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of ``values`` [B] over the rows where ``mask`` [B] is true; 0 where there is none."""
    if mask is None:
        return values.sum() / max(values.shape[0], 1)
    return torch.where(mask, values, 0).sum() / mask.sum().clamp(min=1)
