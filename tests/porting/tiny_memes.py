"""The least data that the stock ``hateful_memes`` builder trains on, with a BERT to match."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

WIDTH = 16
BOXES = 4
WORDS = ("look", "how", "many", "people", "love", "you", "and", "your", "cat")
# The zoo's version of the data set on each line of MMF.
VERSIONS = {"1.0.0rc10": 1.020200511, "main": 1.020201001}


def make(folder: Path, line: str) -> None:
    """Writes annotations, features and the BERT that ``settings`` names.

    Args:
        folder: Where MMF shall find them (``env.data_dir``).
        line: The key of the version that marks the data as complete.
    """
    import lmdb
    import numpy as np
    from transformers import BertConfig, BertForPreTraining, BertTokenizer

    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    bert = folder / "bert"
    bert.mkdir(parents=True)
    (bert / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = BertTokenizer(str(bert / "vocab.txt"))
    tokenizer.save_pretrained(bert)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertForPreTraining(config).save_pretrained(bert)

    root = folder / "datasets/hateful_memes/defaults"
    for part in ("", "annotations", "features", "images"):
        (root / part).mkdir(parents=True, exist_ok=True)
        (root / part / ".built.json").write_text(json.dumps({"version": VERSIONS[line]}))
    random = np.random.default_rng(0)
    splits = ("train", "dev", "dev_unseen", "test", "test_unseen")
    samples = {split: range(16 * n + 1, 16 * n + 17) for n, split in enumerate(splits)}
    for split, numbers in samples.items():
        rows = (
            {"id": n, "img": f"img/{n:05}.png", "label": n % 2, "text": " ".join(WORDS[: n % 9])}
            for n in numbers
        )
        path = root / f"annotations/{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = [f"{n:05}".encode() for numbers in samples.values() for n in numbers]
    features = lmdb.open(str(root / "features/detectron.lmdb"), map_size=1 << 26)
    with features.begin(write=True) as transaction:
        transaction.put(b"keys", pickle.dumps(names))
        for name in names:
            regions = {
                "features": random.normal(size=(BOXES, WIDTH)).astype("float32"),
                "bbox": random.uniform(size=(BOXES, 4)).astype("float32"),
                "num_boxes": BOXES,
                "image_width": 1,
                "image_height": 1,
                "objects": np.zeros(BOXES),
                "cls_prob": np.zeros((BOXES, 2), "float32"),
            }
            transaction.put(name, pickle.dumps(regions))
    features.close()


def settings(folder: Path) -> str:
    """The YAML of a run of VisualBERT on these data, with updates counted in ones."""
    return f"""\
includes: [configs/datasets/hateful_memes/with_features.yaml]
model_config:
  visual_bert:
    bert_model_name: {folder}/bert
    training_head_type: classification
    num_labels: 2
    visual_embedding_dim: {WIDTH}
    hidden_size: 32
    num_hidden_layers: 1
    num_attention_heads: 2
    intermediate_size: 32
    vocab_size: {5 + len(WORDS)}
    max_position_embeddings: 32
    losses: [cross_entropy]
dataset_config:
  hateful_memes:
    max_features: {BOXES}
    processors:
      text_processor:
        type: bert_tokenizer
        params:
          tokenizer_config: {{type: {folder}/bert, params: {{do_lower_case: true}}}}
          mask_probability: 0
          max_seq_length: 8
optimizer: {{type: adam_w, params: {{lr: 1.0e-3}}}}
scheduler: {{type: warmup_linear, params: {{num_warmup_steps: 0, num_training_steps: 10}}}}
evaluation: {{metrics: [accuracy, roc_auc]}}
training:
  batch_size: 8
  num_workers: 0
  lr_scheduler: true
  max_updates: 3
  log_interval: 1
  evaluation_interval: 2
  checkpoint_interval: 1
  tensorboard: true
  early_stop: {{criteria: hateful_memes/roc_auc, minimize: false}}
env: {{data_dir: {folder}}}
"""
