"""``refnet_concat``, ``refnet_linear_sum``, ``refnet_gmu``: Table 2's networks with REFINER."""

from __future__ import annotations

from mmf.common.registry import registry
from omegaconf import DictConfig

from refnet_mmf.core.modality_tokens import ModalityTokens
from refnet_mmf.core.taps import Tap
from refnet_mmf.plugin.fusion_taps import FusionTaps
from refnet_mmf.plugin.model_settings import ModelSettings
from refnet_mmf.plugin.models.unimodal_fusion import (
    GMU,
    Concat,
    LinearSumModel,
)
from refnet_mmf.plugin.refnet import ReFNet


class RefNetOnUnimodalFusion(ReFNet):
    """The fused embedding, after gating, must give back what the two encoders gave."""

    @classmethod
    def check_settings(cls, section: DictConfig) -> ModelSettings:
        """Complete the section from the baseline's, in place, and check all of it."""
        settings = super().check_settings(section)
        cls.stock_class.read_settings(section, settings.place)
        return settings

    def fusion_taps(self) -> FusionTaps:
        """Return the taps on the fusion module and on the encoders' outputs."""
        dims = self.fusion.input_dims
        return FusionTaps(
            fused=(Tap("fusion"),),
            fused_dim=self.fusion.fused_dim,
            modalities={
                name: ModalityTokens((Tap("normalization", read="input", path=(0, name)),))
                for name in dims
            },
            token_dims=dims,
        )


@registry.register_model("refnet_concat")
class RefNetConcat(RefNetOnUnimodalFusion, Concat):
    """Concatenation with REFINER."""

    name = "refnet_concat"
    stock_name = "concat"
    stock_class = Concat


@registry.register_model("refnet_linear_sum")
class RefNetLinearSum(RefNetOnUnimodalFusion, LinearSumModel):
    """Sum of linear maps with REFINER."""

    name = "refnet_linear_sum"
    stock_name = "linear_sum"
    stock_class = LinearSumModel


@registry.register_model("refnet_gmu")
class RefNetGMU(RefNetOnUnimodalFusion, GMU):
    """Gated multimodal unit with REFINER."""

    name = "refnet_gmu"
    stock_name = "gmu"
    stock_class = GMU
