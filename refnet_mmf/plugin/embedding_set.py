"""Fused embeddings of a split, and what is compared with them; needs no MMF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class EmbeddingSet:
    """What a network makes of N samples, in the data set's order.

    Attributes:
        ids: [N], the samples' ids.
        fused: [N, F], the fused embeddings.
        features: by modality [N, D_i], the pooled features upstream of the fusion: the targets
            H_i(F_i) of the refiner.
        queries: by modality [N, F], the fused embeddings of the same samples with the other
            modality taken away; empty where it is not known how to take it away.
        labels: class indices [N], or label sets [N, C] of 0 and 1; None: the split has none.
        scores: [N, C], the logits; None: the model gives none.
        inputs: by modality [N, I_i], what it holds at the network's inputs, the same for every
            network; without those of which it is not known.
    """

    ids: Array
    fused: Array
    features: Mapping[str, Array]
    queries: Mapping[str, Array]
    labels: Array | None = None
    scores: Array | None = None
    inputs: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.fused)

    def labelled(self) -> Array:
        """Return which samples have a label, bool [N]."""
        if self.labels is None:
            return np.zeros(len(self), dtype=bool)
        sets = self.labels >= 0 if self.labels.ndim == 1 else self.labels > 0
        return sets if sets.ndim == 1 else np.any(sets, axis=1)
