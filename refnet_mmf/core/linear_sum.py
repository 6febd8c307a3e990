"""Fusion by a sum of linear maps (LinearSum in Table 2; Arevalo et al. 2017, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from refnet_mmf.core.fusion_inputs import FusionModule


class LinearSum(FusionModule):
    """One linear map a modality, summed: ``h = W_1 x_1 + ... + W_M x_M``.

    MMF has a module that it registers as ``linear_sum`` too; that is another one, with relu before
    and after the sum.

    Args:
        input_dims: width of each modality's features, by its name.
        fused_dim: width of the fused embedding.
    """

    def __init__(self, input_dims: Mapping[str, int], fused_dim: int = 512) -> None:
        super().__init__(input_dims, fused_dim)
        self.projections = nn.ModuleDict(
            {name: nn.Linear(dim, fused_dim, bias=False) for name, dim in self.input_dims.items()}
        )

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Fuse ``features``, [B, input_dim] by modality, into [B, fused_dim]."""
        pairs = zip(self.projections.values(), self.ordered(features), strict=True)
        return torch.stack([projection(feature) for projection, feature in pairs]).sum(dim=0)
