"""``refnet_vilbert``: ViLBERT (Lu et al. 2019) with REFINER (section 3.2, Figure 2 right)."""

from __future__ import annotations

from mmf.common.registry import registry
from mmf.models.vilbert import ViLBERT

from refnet_mmf.core.modality_tokens import ModalityTokens
from refnet_mmf.core.taps import Tap
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.fusion_taps import FusionTaps
from refnet_mmf.plugin.refnet import ReFNet


@registry.register_model("refnet_vilbert")
class RefNetViLBERT(ReFNet, ViLBERT):
    """ViLBERT whose fused streams must give back the tokens of each.

    The fused embedding is the product (or sum: ``fusion_method``) of both streams' pooled outputs,
    before the classifier's dropout. The targets are the tokens of the text stream and of the image
    stream, each under its own mask; the layer before the last is the state after the last
    co-attention, which the last layer of a stream reads.
    """

    name = "refnet_vilbert"
    stock_name = "vilbert"
    stock_class = ViLBERT

    def fusion_taps(self) -> FusionTaps:
        """Return the taps on ViLBERT's two streams.

        Raises:
            RefnetError: the head of pretraining, for which ViLBERT fuses nothing.
        """
        if self.config.training_head_type == "pretraining":
            raise RefnetError(
                f"{self.settings.place}.training_head_type: 'pretraining' fuses nothing for a "
                "refiner to read: set refiner: null, or training_head_type: classification"
            )
        bert = "model.bert"
        before = {
            name: Tap(f"{bert}.encoder.{layers}.-1", read="input", path=(0,))
            for name, layers in (("text", "layer"), ("image", "v_layer"))
        }
        outputs = {"text": 0, "image": 1}
        masks = {"text": 4, "image": 5}
        return FusionTaps(
            fused=(Tap("model.dropout", read="input", path=(0,)),),
            fused_dim=self.config.bi_hidden_size,
            modalities={
                name: ModalityTokens(
                    (before[name], Tap(bert, path=(position,))),
                    mask=Tap(bert, read="input", path=(masks[name],)),
                )
                for name, position in outputs.items()
            },
            token_dims={"text": self.config.hidden_size, "image": self.config.v_hidden_size},
        )
