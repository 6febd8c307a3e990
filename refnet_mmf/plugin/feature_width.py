"""Compares the width of the stored picture features with the one that the model is built for.

Where they differ, torch ends the first update with the shapes of two matrices.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.feature_lmdb import open_features

OF_MODELS = ("v_feature_size", "visual_feat_dim", "img_dim", "visual_embedding_dim")
"""Where MMF's models say it; of a model that has several, the first one is what it reads."""

OF_ENCODERS = {
    "finetune_faster_rcnn_fpn_fc7": "modal_encoder.params.in_dim",
    "identity": "modal_hidden_size",
    "default": "modal_hidden_size",
}
"""Where models with an image encoder say it, by the encoder's type."""


def check_feature_width(config: DictConfig, path: str) -> None:
    """Refuse an lmdb of features of another width than the run's model takes.

    Args:
        config: MMF's complete configuration.
        path: the lmdb; a folder of single files is not looked at.

    Raises:
        RefnetError: one line with both widths, or an lmdb that can't be read.
    """
    model = str(config.get("model", None))
    section = config.get("model_config", {}).get(model, None)
    key = None if section is None or section.get("text_only", False) else _key(section)
    expected = None if key is None else OmegaConf.select(section, key)
    if expected is None or Path(path).suffix != ".lmdb":
        return
    with open_features(Path(path)) as store:
        width = store.width()
    if width not in (None, expected):
        raise RefnetError(
            f"model_config.{model}.{key}: is {expected}, the features of {path} are {width} wide"
        )


def _key(section: DictConfig) -> str | None:
    """Return the key of a model's section that states the width; None: none is known to."""
    encoder = OmegaConf.select(section, "modal_encoder.type")
    return next((key for key in OF_MODELS if key in section), OF_ENCODERS.get(encoder))
