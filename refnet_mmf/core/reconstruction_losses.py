"""The refiner's losses that compare a reconstruction with its own target alone (Eq. 3).

Both take the decoded signals R_i and the targets H_i(F_i) of one modality and give the mean over
the samples that have that modality.
"""

from __future__ import annotations

from torch import Tensor

from refnet_mmf.core.global_batch import global_mean
from refnet_mmf.core.precision import at_least_float32, without_autocast
from refnet_mmf.core.reduction import masked_mean
from refnet_mmf.core.similarity import row_cosine


def cosine_loss(
    reconstructions: Tensor,
    targets: Tensor,
    mask: Tensor | None = None,
    *,
    gather_distributed: bool = False,
) -> Tensor:
    """1 - cos(R, H(F)), mean over the batch.

    Args:
        reconstructions: decoded signals, [B, D].
        targets: what they should be, [B, D].
        mask: bool [B], the samples that count; None: all.
        gather_distributed: mean over the samples of all ranks.

    Returns:
        Scalar in [0, 2], float32 or better. A row of zeros has similarity 0 to anything.
    """
    with without_autocast(reconstructions):
        similarity = row_cosine(reconstructions, targets)
        mean = global_mean if gather_distributed else masked_mean
        return mean(1 - similarity, mask)


def mse_loss(
    reconstructions: Tensor,
    targets: Tensor,
    mask: Tensor | None = None,
    *,
    gather_distributed: bool = False,
) -> Tensor:
    """Squared error, mean over features and batch.

    Args:
        reconstructions: decoded signals, [B, D].
        targets: what they should be, [B, D].
        mask: bool [B], the samples that count; None: all.
        gather_distributed: mean over the samples of all ranks.

    Returns:
        Scalar, float32 or better.
    """
    with without_autocast(reconstructions):
        difference = at_least_float32(reconstructions) - at_least_float32(targets)
        mean = global_mean if gather_distributed else masked_mean
        return mean(difference.square().mean(dim=-1), mask)
