"""Networks of full size, BERT-base with random weights, on the features of the miniature memes.

What they compute means nothing; what it costs is what a real run costs: the stock numbers of tokens
(128) and of regions (100), the stock widths but for the regions' features.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from refnet_mmf.experiments.miniature.feature_store import write_feature_lmdb
from refnet_mmf.experiments.miniature.hateful_memes import DATA_SET
from refnet_mmf.experiments.miniature.pictures import SIDE
from refnet_mmf.paths import PROJECTS

CONFIGS = PROJECTS / "hateful_memes/configs"
ENCODER = "encoders/bert-base"
TOKENIZER = "encoders/bert"
FEATURES = 512
"""Width of the miniature memes' features."""

REGIONS = 100

SECTIONS: dict[str, dict[str, Any]] = {
    "mmbt": {
        "direct_features_input": True,
        "modal_hidden_size": FEATURES,
        "modal_encoder": {"type": "default", "params": {"in_dim": FEATURES}},
    },
    "vilbert": {"v_feature_size": FEATURES},
    **{
        model: {
            "modal_hidden_size": FEATURES,
            "modal_encoder": {"params": {"in_dim": FEATURES}},
        }
        for model in ("concat", "linear_sum", "gmu")
    },
}
"""By model, what of its section fits it to these features."""


def make_encoder(data: Path) -> None:
    """Put a BERT-base of random weights beside the tiny encoders of the miniature memes."""
    from transformers import BertConfig, BertModel

    folder = data / ENCODER
    folder.mkdir(parents=True)
    BertModel(BertConfig()).save_pretrained(folder)
    for file in (data / TOKENIZER).iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copy(file, folder)


def write_features(data: Path) -> None:
    """Give each picture of the miniature memes as many regions as stock features, at random."""
    datasets, layout = data / "datasets", DATA_SET.layout
    store, pictures = datasets / layout.features, (datasets / layout.picture).parent
    shutil.rmtree(store)
    draw = np.random.default_rng(0)
    features = (
        (picture.stem, draw.standard_normal((REGIONS, FEATURES), dtype=np.float32))
        for picture in sorted(pictures.iterdir())
    )
    write_feature_lmdb(store, features, SIDE)


def write_config(model: str, variant: str, folder: Path) -> Path:
    """Write the YAML of a model at the paper's settings, on these features, without a network.

    Args:
        model: of ``projects/hateful_memes/configs``.
        variant: ``baseline``, ``refnet`` or ``refnetms``.
        folder: to write into.
    """
    place = "${env.data_dir}/"
    text_processor = {"params": {"tokenizer_config": {"type": place + TOKENIZER}}}
    content = {
        "includes": [str(CONFIGS / model / f"{variant}.yaml"), str(CONFIGS / "features.yaml")],
        "model_config": {model: {"bert_model_name": place + ENCODER, **SECTIONS[model]}},
        "dataset_config": {"hateful_memes": {"processors": {"text_processor": text_processor}}},
    }
    path = folder / f"{model}_{variant}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
