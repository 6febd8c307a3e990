"""Normalisation of feature vectors, of a kind that is named in the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn

from refnet_mmf.core.messages import check_name

NORMALIZATIONS = ("batch", "layer", "none")


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of [B, D] that takes a batch of one, by the running statistics.

    The last batch of an epoch may hold one sample, which has no variance.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalise ``features`` [B, D]."""
        if self.training and len(features) == 1:
            return F.batch_norm(
                features,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                training=False,
                eps=self.eps,
            )
        return super().forward(features)


@contextmanager
def running_statistics_kept(network: nn.Module) -> Iterator[None]:
    """Let batch normalisations use a batch's statistics within this context, but not keep them.

    What a network is in eval mode then does not depend on the batches that pass by here.
    """
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def build_normalization(kind: str, dim: int) -> nn.Module:
    """Build the normalisation of feature vectors [B, dim].

    Args:
        kind: ``batch`` (statistics over the batch: on several ranks, over each rank's share),
            ``layer`` or ``none``.
        dim: width of the vectors.

    Raises:
        ValueError: ``kind`` is unknown.
    """
    check_name("normalization", "normalization", kind, NORMALIZATIONS)
    if kind == "batch":
        return BatchNorm(dim)
    return nn.LayerNorm(dim) if kind == "layer" else nn.Identity()


class FeatureNormalization(nn.Module):
    """One normalisation for the features of each modality.

    Args:
        dims: width of each modality's features, by its name.
        kind: ``batch``, ``layer`` or ``none``.

    Raises:
        ValueError: ``kind`` is unknown.
    """

    def __init__(self, dims: Mapping[str, int], kind: str = "batch") -> None:
        super().__init__()
        self.modalities = nn.ModuleDict(
            {name: build_normalization(kind, dim) for name, dim in dims.items()}
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Normalise the features of each modality, [B, dim]."""
        return {name: norm(features[name]) for name, norm in self.modalities.items()}
