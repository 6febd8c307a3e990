"""Fusion by concatenation (Concat in Table 2; Arevalo et al. 2017, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from refnet_mmf.core.fusion_inputs import FusionModule
from refnet_mmf.core.maxout import Maxout


class ConcatFusion(FusionModule):
    """Concatenate all features and project them to the fused width.

    ``h_j = max_p (W_p [x_1; ...; x_M] + b_p)_j``: the first maxout layer of the network that
    Arevalo et al. put on the concatenation. With ``pieces=1`` it is a plain linear projection,
    which can compute what `refnet_mmf.LinearSum` can, and no more.

    Args:
        input_dims: width of each modality's features, by its name.
        fused_dim: width of the fused embedding.
        pieces: of the maxout layer.
    """

    def __init__(
        self, input_dims: Mapping[str, int], fused_dim: int = 512, *, pieces: int = 2
    ) -> None:
        super().__init__(input_dims, fused_dim)
        self.projection = Maxout(sum(self.input_dims.values()), fused_dim, pieces)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Fuse ``features``, [B, input_dim] by modality, into [B, fused_dim]."""
        fused: Tensor = self.projection(torch.cat(self.ordered(features), dim=1))
        return fused
