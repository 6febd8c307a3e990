"""The page of all settings, made from the schemas that check them.

``python -m refnet_mmf.plugin.settings_reference > docs/settings.md``
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from refnet_mmf.core.refiner import DEFAULT_WEIGHT
from refnet_mmf.plugin import registered  # noqa: F401  (loads the plugin in its own order)
from refnet_mmf.plugin.image_encoder import ImageEncoderSettings
from refnet_mmf.plugin.losses import ListedMultiSimilaritySettings
from refnet_mmf.plugin.models.unimodal_fusion import (
    ClassifierSettings,
    ConcatSettings,
    GMUSettings,
    UnimodalFusionSettings,
)
from refnet_mmf.plugin.regime import LabelSettings, RegimeSettings
from refnet_mmf.plugin.setting_words import words_for
from refnet_mmf.plugin.settings import (
    Block,
    LibraryLossSettings,
    MultiSimilaritySettings,
    RefinerSettings,
)
from refnet_mmf.plugin.tap_settings import FusedBlock, KeepBlock, TapsBlock, TargetBlock

BLOCKS: Mapping[str, type[Block]] = {
    "model_config.<model>.refiner": RefinerSettings,
    "model_config.<model>.metric_loss": MultiSimilaritySettings,
    "model_config.<model>.metric_loss, with another type and its own keywords": LibraryLossSettings,
    "losses: params, of type multi_similarity, beside those of metric_loss": (
        ListedMultiSimilaritySettings
    ),
    "refnet": RegimeSettings,
    "refnet.labels": LabelSettings,
    "model_config.refnet.taps": TapsBlock,
    "model_config.refnet.taps.fused": FusedBlock,
    "model_config.refnet.taps.targets.<modality>": TargetBlock,
    "model_config.refnet.taps.targets.<modality>.keep": KeepBlock,
    "model_config.linear_sum": UnimodalFusionSettings,
    "model_config.concat, beside those of linear_sum": ConcatSettings,
    "model_config.gmu, beside those of linear_sum": GMUSettings,
    "model_config.{concat,linear_sum,gmu}.classifier": ClassifierSettings,
    "modal_encoder.params, with type torchvision": ImageEncoderSettings,
}
BESIDE: Mapping[str, type[Block]] = {
    "beside those of linear_sum": UnimodalFusionSettings,
    "beside those of metric_loss": MultiSimilaritySettings,
}
"""By how a place ends, the block whose keys are shown there already."""
HEAD = f"""# Settings

Every key of the plugin's own, from the schemas that check them when the model is built. An unknown
key, a value of another type or out of range ends the run in one line. `refiner: null` is the stock
model; each weight of `refiner.weights` is {DEFAULT_WEIGHT} unless said. On the command line write
`None`, `True` and `False`, in YAML `null`, `true` and `false`.
"""
OF_THE_TRAINER = """## `training` and `checkpoint`, keys that the PyPI line of MMF does not have

| key | value | default | meaning |
|---|---|---|---|
| `training.fp16` | true or false | `false` | mixed precision in half floats, with loss scaling |
| `training.bf16` | true or false | `false` | mixed precision in bfloat16 |
| `training.update_frequency` | whole number from 1 | `1` | batches whose gradients make an update |
| `training.max_grad_l2_norm` | number above 0 or null | `null` | longest gradient if clipped |
| `training.exit_on_nan_losses` | true or false | `true` | end a run at a loss that is not finite |
| `checkpoint.max_to_keep` | whole number | `-1` | numbered checkpoints that are kept; -1: all |
"""


def as_markdown() -> str:
    """Return the page."""
    parts = [HEAD]
    for place, block in BLOCKS.items():
        name, comma, beside = place.partition(", ")
        parts.append(f"## `{name}`{comma}{beside}\n")
        parts.append("| key | value | default | meaning |\n|---|---|---|---|")
        parts.extend(_rows(place, block))
        parts.append("")
    return "\n".join([*parts, OF_THE_TRAINER])


def _rows(place: str, block: type[Block]) -> Iterator[str]:
    schema = block.model_json_schema()
    base = next((kind for name, kind in BESIDE.items() if place.endswith(name)), None)
    for key, value in schema["properties"].items():
        if block is LibraryLossSettings and key == "params":
            continue
        if base is not None and key in base.model_fields:
            continue
        field = block.model_fields[key]
        if field.is_required():
            default = "(required)"
        else:
            default = f"`{json.dumps(field.get_default(call_default_factory=True))}`"
        meaning = str(field.description or "").replace("|", "\\|")
        yield f"| `{key}` | {words_for(value)} | {default} | {meaning} |"


if __name__ == "__main__":
    print(as_markdown(), end="")
