"""``refnet_mmbt``: MMBT (Kiela et al. 2019) with REFINER (section 3.2, Figure 2 left)."""

from __future__ import annotations

from mmf.common.registry import registry
from mmf.models.mmbt import MMBT

from refnet_mmf.core.modality_tokens import Keep, ModalityTokens
from refnet_mmf.core.taps import Tap
from refnet_mmf.plugin.fusion_taps import FusionTaps
from refnet_mmf.plugin.refnet import ReFNet


@registry.register_model("refnet_mmbt")
class RefNetMMBT(ReFNet, MMBT):
    """MMBT whose pooled output must give back what it was made of.

    The fused embedding is what the classifier reads. The targets are the token states of the last
    layers: MMBT's joint sequence is ``[start] image tokens [end] text tokens``; the image's
    tokens are those between its start and end token, the text's are the rest, under their mask.
    """

    name = "refnet_mmbt"
    stock_name = "mmbt"
    stock_class = MMBT

    def fusion_taps(self) -> FusionTaps:
        """Return the taps on MMBT's transformer."""
        joint = "model.bert.mmbt"
        transformer = self.model.bert.mmbt.transformer
        depth = min(2, len(transformer.encoder.layer))
        states = tuple(
            Tap(f"{joint}.transformer.encoder.layer.-{k}", path=(0,)) for k in range(depth, 0, -1)
        )
        # Main shifts the text by a token inside its forward: the mask really used is here alone.
        text_mask = Tap(joint, read="kwargs", path=("attention_mask",))
        width = transformer.config.hidden_size
        return FusionTaps(
            fused=(Tap(joint, path=(1,)),),
            fused_dim=width,
            modalities={
                "text": ModalityTokens(states, mask=text_mask, keep=Keep("last", text_mask)),
                "image": ModalityTokens(
                    states,
                    keep=Keep(
                        "before_last",
                        text_mask,
                        skip_first=int(self.config.use_modal_start_token),
                        skip_last=int(self.config.use_modal_end_token),
                    ),
                ),
            },
            token_dims={"text": width, "image": width},
        )
