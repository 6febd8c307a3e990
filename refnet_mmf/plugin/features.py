"""What REFINER and the metric loss read of a network's forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Features:
    """Fused embedding and targets of a batch.

    Attributes:
        fused: the fused embedding F_emb, [B, fused_dim].
        targets: H_i(F_i) by modality, [B, D_i].
        present: by modality, bool [B]: which samples have it; a modality that is not named: all.
    """

    fused: Tensor
    targets: Mapping[str, Tensor]
    present: Mapping[str, Tensor]

    def followed_by(self, others: Features) -> Features:
        """Return the features of this batch's samples and of those of another one."""
        masked = [name for name in self.targets if name in {**self.present, **others.present}]
        return Features(
            torch.cat([self.fused, others.fused]),
            {name: torch.cat([self.targets[name], others.targets[name]]) for name in self.targets},
            {name: torch.cat([self._mask(name), others._mask(name)]) for name in masked},
        )

    def _mask(self, name: str) -> Tensor:
        everything = torch.ones(len(self.fused), dtype=torch.bool, device=self.fused.device)
        return self.present.get(name, everything)
