"""The terms that a ReFNet adds to its model's loss (Algorithm 1), and what is logged of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from refnet_mmf.core.diagnostics import reconstruction_r2, target_variance
from refnet_mmf.core.label_pairs import positives_and_negatives
from refnet_mmf.core.refiner import LOSSES, Refiner
from refnet_mmf.plugin.features import Features


@dataclass(frozen=True)
class LossTerm:
    """One term of the loss.

    Attributes:
        name: under which it appears in MMF's log and in TensorBoard.
        weight: gamma_i or zeta.
        value: the loss, a scalar, not weighted.
        shown: further numbers to log, scalars without a gradient.
    """

    name: str
    weight: float
    value: Tensor
    shown: dict[str, Tensor] = field(default_factory=dict)

    def losses(self, prefix: str) -> dict[str, Tensor]:
        """Return what MMF adds to the total: the weighted loss, of shape [1]."""
        return {f"{prefix}/{self.name}": (self.weight * self.value).view(1)}

    def metrics(self, prefix: str) -> dict[str, Tensor]:
        """Return what MMF only logs, each of shape [1]."""
        shown = {"unweighted": self.value.detach(), **self.shown}
        return {f"{prefix}/{self.name}_{key}": value.view(1) for key, value in shown.items()}


def refiner_terms(refiner: Refiner, features: Features) -> Iterator[LossTerm]:
    """Yield a term for each modality that has a decoder."""
    targets = features.targets
    refined = refiner(features.fused, targets, features.present)
    rescale = LOSSES[refiner.loss].blind_to_scale
    for name, loss in refined.losses.items():
        target, present = targets[name], features.present.get(name)
        decoded = refined.reconstructions[name]
        shown = {
            "r2": reconstruction_r2(decoded, target, present, rescale=rescale),
            "target_variance": target_variance(target, present),
        }
        yield LossTerm(f"refiner_{name}", refiner.weights[name], loss, shown)


def metric_term(
    name: str,
    weight: float,
    loss: nn.Module,
    fused: Tensor,
    labels: Tensor | None,
    match: str = "intersect",
) -> LossTerm:
    """Return the metric loss of the fused embedding.

    Logged beside it: the share of this rank's samples that have another one of their label in
    its batch, and the variance of the embedding, which falls to 0 when all samples become alike.

    Samples without labels have no part in it. The loss is called all the same: other ranks, which
    have labels, wait for this one.
    """
    if labels is None:
        fused, labels = fused[:0], torch.empty(0, device=fused.device)
    labels = labels.to(fused.device)
    positives, _ = positives_and_negatives(labels, match)
    shown = {
        "with_positives": positives.any(dim=1).float().sum() / max(len(labels), 1),
        "embedding_variance": target_variance(fused) if len(fused) else fused.new_zeros(()),
    }
    return LossTerm(name, weight, loss(fused, labels), shown)
