"""Losses of the plugin for MMF's ``losses:`` list.

``multi_similarity`` works on any model whose output holds an embedding. ``refiner`` needs taps and
decoders, which ReFNet models have: those take both out of the list and do them themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmf.common.registry import registry
from pydantic import Field
from torch import Tensor, nn

from refnet_mmf.core.messages import unknown
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.metric_loss import build_multi_similarity
from refnet_mmf.plugin.settings import MultiSimilaritySettings, read_block

FUSED_EMBEDDING = "fused_embedding"


class ListedMultiSimilaritySettings(MultiSimilaritySettings):
    """``params`` of ``- type: multi_similarity`` in a ``losses:`` list."""

    embedding: str = Field(FUSED_EMBEDDING, description="key of the model's output that holds it")


@registry.register_loss("multi_similarity")
class MultiSimilarityOfOutput(nn.Module):
    """Multi-similarity loss (Eq. 5) of an embedding that the model's output holds."""

    def __init__(self, **params: Any) -> None:
        super().__init__()
        place = "losses: multi_similarity: params"
        self.settings = read_block(ListedMultiSimilaritySettings, params, place)
        self.loss = build_multi_similarity(self.settings)

    def forward(self, sample_list: Mapping[str, Any], model_output: Mapping[str, Any]) -> Tensor:
        """Return the loss, weighted."""
        key = self.settings.embedding
        if key not in model_output:
            place = "losses: multi_similarity: params.embedding"
            raise RefnetError(unknown(place, "key of the model's output", key, model_output))
        embeddings: Tensor = model_output[key]
        targets = sample_list["targets"].to(embeddings.device)
        loss: Tensor = self.settings.weight * self.loss(embeddings, targets)
        return loss


@registry.register_loss("refiner")
class RefinerOfAStockModel(nn.Module):
    """Tells the user of a stock model what the loss ``refiner`` needs."""

    def __init__(self, **params: Any) -> None:
        super().__init__()
        names = sorted(
            name for name in registry.mapping["model_name_mapping"] if name.startswith("refnet")
        )
        raise RefnetError(
            "losses: refiner: works with ReFNet models only, which have the decoders: "
            f"model={' | '.join(names)}"
        )
