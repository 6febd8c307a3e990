"""Numbers that show whether the refiner works: are the targets collapsing, are they recovered?"""

from __future__ import annotations

import torch
from torch import Tensor

from refnet_mmf.core.precision import at_least_float32, without_autocast


@torch.no_grad()
def target_variance(targets: Tensor, present: Tensor | None = None) -> Tensor:
    """Variance of ``targets`` over the batch, mean over features: a scalar.

    It falls to 0 when the encoders make all samples' features alike.

    Args:
        targets: [B, D].
        present: bool [B]: the samples that count; None: all.
    """
    with without_autocast(targets):
        return _deviations(at_least_float32(targets), present).square().sum(dim=0).mean() / (
            _count(targets, present)
        )


@torch.no_grad()
def reconstruction_r2(
    reconstructions: Tensor, targets: Tensor, present: Tensor | None = None, *, rescale: bool
) -> Tensor:
    """Share of the targets' variance that the reconstructions explain: a scalar, at most 1.

    0 is what the batch's mean target would give. Where the targets have no variance (a batch of
    one, a collapse) it is 0.

    Args:
        reconstructions: [B, D].
        targets: [B, D].
        present: bool [B]: the samples that count; None: all.
        rescale: scale each reconstruction to fit its target best before comparing: for losses
            that are blind to scale (cosine, contrastive).
    """
    with without_autocast(targets):
        decoded, target = at_least_float32(reconstructions), at_least_float32(targets)
        if rescale:
            energy = decoded.square().sum(dim=1, keepdim=True)
            fit = (decoded * target).sum(dim=1, keepdim=True)
            decoded = decoded * torch.where(energy > 0, fit / energy.clamp(min=1e-12), 0)
        residual = _rows(decoded - target, present).square().sum()
        spread = _deviations(target, present).square().sum()
        return torch.where(spread > 0, 1 - residual / spread.clamp(min=1e-12), 0)


def _deviations(targets: Tensor, present: Tensor | None) -> Tensor:
    """Return what the targets [B, D] are above their mean; 0 for samples that do not count."""
    mean = _rows(targets, present).sum(dim=0) / _count(targets, present)
    return _rows(targets - mean, present)


def _rows(values: Tensor, present: Tensor | None) -> Tensor:
    """Return [B, D] with 0 for samples that do not count."""
    return values if present is None else torch.where(present.unsqueeze(1), values, 0)


def _count(targets: Tensor, present: Tensor | None) -> Tensor | int:
    """Return how many samples count, at least 1."""
    return max(len(targets), 1) if present is None else present.sum().clamp(min=1)
