"""The metric loss that a ``metric_loss:`` block asks for."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from refnet_mmf.core.global_batch import gather_rows
from refnet_mmf.core.messages import first_line
from refnet_mmf.core.multi_similarity_loss import MultiSimilarityLoss
from refnet_mmf.core.precision import at_least_float32, without_autocast
from refnet_mmf.core.reduction import connected_zero
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.settings import (
    LibraryLossSettings,
    MetricLossSettings,
    MultiSimilaritySettings,
)


class LibraryMetricLoss(nn.Module):
    """A loss of pytorch-metric-learning on class labels.

    Args:
        settings: its name and its keywords.
        place: where the settings stand, for messages.
        dim: width of the embeddings.

    Raises:
        RefnetError: the loss does not take these keywords, or, with them, no embeddings of this
            width.
    """

    def __init__(self, settings: LibraryLossSettings, place: str, dim: int) -> None:
        super().__init__()
        from pytorch_metric_learning import losses

        self.place = place
        self.gather_distributed = settings.gather_distributed
        try:
            self.loss = getattr(losses, settings.type)(**settings.params)
        except Exception as error:
            raise RefnetError(f"{place}: {settings.type} does not take this: {error}") from None
        try:
            copy.deepcopy(self.loss)(torch.randn(8, dim), torch.arange(8) % 2)
        except Exception as error:
            raise RefnetError(
                f"{place}: {settings.type} with {settings.params} does not take embeddings "
                f"[B, {dim}] and classes [B]: {first_line(error)}"
            ) from None

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of ``embeddings`` [B, D] with class indices ``targets`` [B]."""
        if targets.dim() != 1:
            raise RefnetError(one_class_a_sample(self.place, f"of shape {tuple(targets.shape)}"))
        if self.gather_distributed:
            embeddings, targets = gather_rows(embeddings, targets)
        if len(embeddings) == 0:
            return connected_zero(at_least_float32(embeddings))
        with without_autocast(embeddings):
            loss: Tensor = self.loss(at_least_float32(embeddings), targets)
        return loss


def one_class_a_sample(place: str, what: str) -> str:
    """Word the refusal of label sets for a loss of pytorch-metric-learning."""
    return (
        f"{place}.type: losses of pytorch-metric-learning take one class a sample, "
        f"got label sets {what}; 'multi_similarity' takes them"
    )


def build_metric_loss(settings: MetricLossSettings, place: str, dim: int) -> nn.Module:
    """Build the metric loss of ``settings``: embeddings [B, dim] and targets to a scalar."""
    if isinstance(settings, LibraryLossSettings):
        return LibraryMetricLoss(settings, place, dim)
    return build_multi_similarity(settings)


def build_multi_similarity(settings: MultiSimilaritySettings) -> MultiSimilarityLoss:
    """Build the loss of Eq. 5 that ``settings`` describe."""
    return MultiSimilarityLoss(
        alpha=settings.alpha,
        beta=settings.beta,
        base=settings.base,
        epsilon=settings.epsilon,
        match=settings.match,
        similarity=settings.similarity,
        gather_distributed=settings.gather_distributed,
    )
