"""``concat``, ``linear_sum`` and ``gmu``: the baselines of Table 2 (Arevalo et al. 2017).

A text encoder and an image encoder of MMF give a vector each. These are normalised, fused into one
vector, and classified by maxout layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from mmf.common.registry import registry
from mmf.models.base_model import BaseModel
from mmf.utils.build import build_image_encoder, build_text_encoder
from mmf.utils.modeling import get_bert_configured_parameters
from omegaconf import DictConfig, OmegaConf
from pydantic import Field
from torch import Tensor, nn

from refnet_mmf.core.concat_fusion import ConcatFusion
from refnet_mmf.core.fusion_inputs import FusionModule
from refnet_mmf.core.gated_multimodal_unit import GatedMultimodalUnit
from refnet_mmf.core.linear_sum import LinearSum
from refnet_mmf.core.maxout import MaxoutClassifier
from refnet_mmf.core.modality_tokens import token_mask
from refnet_mmf.core.normalization import FeatureNormalization
from refnet_mmf.core.poolers import pool_tokens
from refnet_mmf.paths import CONFIGS
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.predictions import or_scores
from refnet_mmf.plugin.section import OWN_BLOCKS
from refnet_mmf.plugin.settings import Block, read_block

NormalizationName = Literal["batch", "layer", "none"]


class ClassifierSettings(Block):
    """``model_config.<model>.classifier``: normalised maxout layers, then a linear one."""

    hidden_dim: int = Field(512, ge=1, description="width of the maxout layers")
    num_layers: int = Field(2, ge=0, description="how many; of concat 1")
    pieces: int = Field(2, ge=1, description="linear maps of each, of which the largest counts")
    dropout: float = Field(0.5, ge=0, lt=1, description="after each")


class UnimodalFusionSettings(Block):
    """``model_config.concat``, ``linear_sum`` or ``gmu``."""

    text_encoder: dict[str, Any] = Field(description="as in MMF: type and params")
    modal_encoder: dict[str, Any] = Field(description="of the image, as in MMF: type and params")
    direct_features_input: bool = Field(
        True, description="features of image regions (image_feature_0), not pictures (image)"
    )
    text_hidden_size: int = Field(768, ge=1, description="width of what the text encoder gives")
    modal_hidden_size: int = Field(2048, ge=1, description="width of what the image encoder gives")
    fused_dim: int = Field(512, ge=1, description="width of the fused embedding")
    normalization: NormalizationName = Field(
        "batch", description="of features and classifier; batch: over each rank's own share"
    )
    classifier: dict[str, Any] = Field(default_factory=dict, description="its layers")
    num_labels: int = Field(2, ge=1, description="classes")
    bert_model_name: str | None = Field(
        "bert-base-uncased", description="for text_encoder.params to refer to"
    )
    freeze_text: bool = Field(False, description="do not train the text encoder's weights")
    freeze_modal: bool = Field(False, description="do not train the image encoder's weights")
    finetune_lr_multiplier: float = Field(
        1, ge=0, description="learning rate of the encoders, as a multiple of the others'"
    )
    losses: list[Any] = Field(default_factory=list, description="as in MMF")
    model: str | None = Field(None, description="set by MMF")
    zoo_requirements: list[str] | str | None = Field(None, description="as in MMF")


class ConcatSettings(UnimodalFusionSettings):
    """``model_config.concat``."""

    pieces: int = Field(2, ge=1, description="of the maxout projection; 1: a linear one")


class GMUSettings(UnimodalFusionSettings):
    """``model_config.gmu``."""

    gate: Literal["inputs", "projections"] = Field(
        "inputs", description="what the gate reads: inputs as published, projections as released"
    )


class UnimodalFusionModel(BaseModel):
    """Base of the three: one vector a modality, normalised, fused, classified.

    ``scores = classifier(fusion(normalization(x_image, x_text)))``, where x_text is the text
    encoder's pooled output, and x_image the mean of the image encoder's tokens or regions, those
    that a batch is padded with left out.

    Attributes:
        name: key in MMF's registry and under ``model_config``.
        settings_class: what that section may hold.
    """

    name: ClassVar[str]
    settings_class: ClassVar[type[UnimodalFusionSettings]] = UnimodalFusionSettings
    config: Any

    @classmethod
    def config_path(cls) -> str:
        """Return the path of the default YAML."""
        return str(CONFIGS / "models" / f"{cls.name}.yaml")

    @classmethod
    def read_settings(cls, section: DictConfig, place: str) -> UnimodalFusionSettings:
        """Check the model's section.

        Raises:
            RefnetError: one line for the first thing that is wrong.
        """
        values: dict[str, Any] = OmegaConf.to_container(section, resolve=True)
        of_refnet = getattr(cls, "own_keys", OWN_BLOCKS)
        own = {key: value for key, value in values.items() if key not in of_refnet}
        settings = read_block(cls.settings_class, own, place)
        read_block(ClassifierSettings, settings.classifier, f"{place}.classifier")
        return settings

    def build_fusion(self, settings: Any, dims: Mapping[str, int]) -> FusionModule:
        """Build the fusion module for features of these widths."""
        raise NotImplementedError

    def build(self) -> None:
        """Build encoders, fusion and classifier.

        Raises:
            RefnetError: a setting is wrong, or a stated width is not the encoder's.
        """
        place = f"model_config.{self.name}"
        settings = self.read_settings(self.config, place)
        classifier = read_block(ClassifierSettings, settings.classifier, f"{place}.classifier")
        self.direct_features_input = settings.direct_features_input
        self.takes_token_ids = settings.text_encoder.get("type") == "transformer"
        self.text_encoder = build_text_encoder(self.config.text_encoder)
        self.image_encoder = build_image_encoder(
            self.config.modal_encoder, direct_features=settings.direct_features_input
        )
        _check_width(
            f"{place}.text_hidden_size", settings.text_hidden_size, _text_width(self.text_encoder)
        )
        _check_width(
            f"{place}.modal_hidden_size",
            settings.modal_hidden_size,
            getattr(self.image_encoder, "out_dim", None),
        )
        dims = {"image": settings.modal_hidden_size, "text": settings.text_hidden_size}
        self.normalization = FeatureNormalization(dims, settings.normalization)
        self.fusion = self.build_fusion(settings, dims)
        self.classifier = MaxoutClassifier(
            settings.fused_dim,
            settings.num_labels,
            hidden_dim=classifier.hidden_dim,
            num_layers=classifier.num_layers,
            pieces=classifier.pieces,
            normalization=settings.normalization,
            dropout=classifier.dropout,
        )
        for frozen, encoder in (
            (settings.freeze_text, self.text_encoder),
            (settings.freeze_modal, self.image_encoder),
        ):
            if frozen:
                encoder.requires_grad_(False)

    def get_optimizer_parameters(self, config: Any) -> list[dict[str, Any]]:
        """Return groups as MMF's models with a BERT do: no weight decay for biases and norms."""
        lr = config.optimizer.params.lr
        multiplier = config.model_config[config.model].get("finetune_lr_multiplier", 1)
        encoders = nn.ModuleList([self.text_encoder, self.image_encoder])
        rest = nn.ModuleList([self.normalization, self.fusion, self.classifier])
        groups: list[dict[str, Any]] = get_bert_configured_parameters(encoders, lr * multiplier)
        return groups + get_bert_configured_parameters(rest, lr)

    def forward(self, sample_list: Any) -> dict[str, Tensor]:
        """Return ``scores`` [B, num_labels]."""
        features = {
            "image": self.encode_image(sample_list),
            "text": self.encode_text(sample_list),
        }
        return {"scores": self.classifier(self.fusion(self.normalization(features)))}

    def format_for_prediction(self, results: Any, report: Any) -> list[Any]:
        """Return the data set's predictions; scores, where there would be none."""
        return or_scores(super().format_for_prediction(results, report), report)

    def encode_text(self, sample_list: Any) -> Tensor:
        """Return the text encoder's pooled output, [B, text_hidden_size]."""
        if not self.takes_token_ids:
            # MMF's embedding encoder drops the batch dimension of a batch of one.
            return self.text_encoder(sample_list.text).reshape(len(sample_list.text), -1)
        encoded = self.text_encoder(
            sample_list.input_ids, sample_list.input_mask, sample_list.segment_ids
        )
        pooled: Tensor = encoded if isinstance(encoded, Tensor) else encoded[1]
        return pooled

    def encode_image(self, sample_list: Any) -> Tensor:
        """Return the mean of the image's tokens or regions, [B, modal_hidden_size]."""
        if not self.direct_features_input:
            return pool_tokens([self.image_encoder(sample_list.image)])
        regions = sample_list.image_feature_0
        counts = _region_counts(sample_list)
        mask = (
            (regions != 0).any(dim=-1) if counts is None else token_mask(counts, regions.shape[1])
        )
        return pool_tokens([self.image_encoder(regions)], mask.to(regions.device))


@registry.register_model("concat")
class Concat(UnimodalFusionModel):
    """Fusion by `refnet_mmf.ConcatFusion`."""

    name = "concat"
    settings_class = ConcatSettings

    def build_fusion(self, settings: ConcatSettings, dims: Mapping[str, int]) -> FusionModule:
        """Build the fusion module."""
        return ConcatFusion(dims, settings.fused_dim, pieces=settings.pieces)


@registry.register_model("linear_sum")
class LinearSumModel(UnimodalFusionModel):
    """Fusion by `refnet_mmf.LinearSum`."""

    name = "linear_sum"

    def build_fusion(
        self, settings: UnimodalFusionSettings, dims: Mapping[str, int]
    ) -> FusionModule:
        """Build the fusion module."""
        return LinearSum(dims, settings.fused_dim)


@registry.register_model("gmu")
class GMU(UnimodalFusionModel):
    """Fusion by a `refnet_mmf.GatedMultimodalUnit`."""

    name = "gmu"
    settings_class = GMUSettings

    def build_fusion(self, settings: GMUSettings, dims: Mapping[str, int]) -> FusionModule:
        """Build the fusion module."""
        return GatedMultimodalUnit(dims, settings.fused_dim, gate=settings.gate)


def _region_counts(sample_list: Any) -> Tensor | None:
    """Return how many regions each sample has, [B]; None where the batch does not say."""
    info = sample_list.get("image_info_0", None)
    counts = info.get("max_features", None) if isinstance(info, Mapping) else None
    return counts if isinstance(counts, Tensor) else None


def _text_width(encoder: nn.Module) -> int | None:
    return getattr(getattr(encoder, "config", None), "hidden_size", None)


def _check_width(place: str, stated: int, actual: int | None) -> None:
    if actual is not None and actual != stated:
        raise RefnetError(f"{place}: the encoder gives vectors of width {actual}, got {stated}")
