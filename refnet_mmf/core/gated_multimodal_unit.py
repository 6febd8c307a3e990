"""Gated multimodal unit (Arevalo et al. 2017): how much of each modality, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from refnet_mmf.core.fusion_inputs import FusionModule
from refnet_mmf.core.messages import check_name

GATES = ("inputs", "projections")


class GatedMultimodalUnit(FusionModule):
    r"""A gate that weighs the modalities' projections against each other.

    For two modalities (Arevalo et al. 2017, section 3.1), without biases:

    .. math::
        h_1 = \tanh(W_1 x_1), \quad h_2 = \tanh(W_2 x_2), \quad
        z = \sigma(W_z [x_1; x_2]), \quad h = z * h_1 + (1 - z) * h_2

    In their paper the first is the image. For more than two there is a gate each:
    ``z_i = sigmoid(W_zi [x_1; ...; x_M])`` and ``h = z_1 * h_1 + ... + z_M * h_M``.

    Args:
        input_dims: width of each modality's features, by its name.
        fused_dim: width of the fused embedding.
        gate: what it reads: ``inputs``, the x_i, as the published equation says, or
            ``projections``, the W_i x_i before tanh, as the authors' released code does.

    Raises:
        ValueError: fewer than two modalities, or an unknown ``gate``.
    """

    def __init__(
        self, input_dims: Mapping[str, int], fused_dim: int = 512, *, gate: str = "inputs"
    ) -> None:
        super().__init__(input_dims, fused_dim)
        check_name("GatedMultimodalUnit: gate", "gate", gate, GATES)
        modalities = len(self.input_dims)
        if modalities < 2:
            raise ValueError(
                "GatedMultimodalUnit: input_dims: expected at least two modalities to weigh, "
                f"got {list(self.input_dims)}"
            )
        self.gate_reads = gate
        self.projections = nn.ModuleDict(
            {name: nn.Linear(dim, fused_dim, bias=False) for name, dim in self.input_dims.items()}
        )
        read = sum(self.input_dims.values()) if gate == "inputs" else modalities * fused_dim
        gates = 1 if modalities == 2 else modalities
        self.gate = nn.Linear(read, gates * fused_dim, bias=False)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Fuse ``features``, [B, input_dim] by modality, into [B, fused_dim]."""
        inputs = self.ordered(features)
        pairs = zip(self.projections.values(), inputs, strict=True)
        projected = [projection(feature) for projection, feature in pairs]
        read = torch.cat(inputs if self.gate_reads == "inputs" else projected, dim=1)
        count = self.gate.out_features // self.fused_dim
        gates: Tensor = torch.sigmoid(self.gate(read)).view(len(read), count, self.fused_dim)
        if len(inputs) == 2:
            gates = torch.cat((gates, 1 - gates), dim=1)
        return (gates * torch.tanh(torch.stack(projected, dim=1))).sum(dim=1)
