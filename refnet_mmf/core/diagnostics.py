"""Numbers that show whether the refiner works: are the targets collapsing, are they recovered?"""

from __future__ import annotations

import torch
from torch import Tensor

from refnet_mmf.core.precision import at_least_float32, without_autocast


@torch.no_grad()
def target_variance(targets: Tensor) -> Tensor:
    """Variance of ``targets`` [B, D] over the batch, mean over features: a scalar.

    It falls to 0 when the encoders make all samples' features alike.
    """
    with without_autocast(targets):
        return at_least_float32(targets).var(dim=0, correction=0).mean()


@torch.no_grad()
def reconstruction_r2(reconstructions: Tensor, targets: Tensor, *, rescale: bool) -> Tensor:
    """Share of the targets' variance that the reconstructions explain: a scalar, at most 1.

    0 is what the batch's mean target would give. Where the targets have no variance (a batch of
    one, a collapse) it is 0.

    Args:
        reconstructions: [B, D].
        targets: [B, D].
        rescale: scale each reconstruction to fit its target best before comparing: for losses
            that are blind to scale (cosine, contrastive).
    """
    with without_autocast(targets):
        decoded, target = at_least_float32(reconstructions), at_least_float32(targets)
        if rescale:
            energy = decoded.square().sum(dim=1, keepdim=True)
            fit = (decoded * target).sum(dim=1, keepdim=True)
            decoded = decoded * torch.where(energy > 0, fit / energy.clamp(min=1e-12), 0)
        residual = (decoded - target).square().sum()
        spread = (target - target.mean(dim=0)).square().sum()
        return torch.where(spread > 0, 1 - residual / spread.clamp(min=1e-12), 0)
