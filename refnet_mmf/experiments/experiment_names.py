"""What experiments are named by: data sets and their metrics, networks, variants, modalities."""

from __future__ import annotations

MEMES, MOVIES, ENTAILMENT = "hateful_memes", "mmimdb", "visual_entailment"
VARIANTS = {"baseline": "", "refnet": "ReFNet-", "refnetms": "ReFNetMS-"}
"""Of each network, and what its name begins with then."""
MODALITIES = ("text", "image")
NAMES = {
    "vilbert": "ViLBERT",
    "mmbt": "MMBT",
    "gmu": "GMU",
    "linear_sum": "LinearSum",
    "concat": "Concat",
}
"""The networks that have YAMLs in ``projects/``."""
TITLES = {
    MEMES: "Hateful Memes",
    MOVIES: "MM-IMDB",
    ENTAILMENT: "SNLI-VE",
}

METRICS = {
    MEMES: {"AUROC": "refnet_roc_auc", "accuracy": "refnet_accuracy"},
    MOVIES: {"micro F1": "refnet_micro_f1", "macro F1": "refnet_macro_f1"},
    ENTAILMENT: {"accuracy": "refnet_accuracy"},
}
"""By data set; the first one is what the best checkpoint is chosen by."""

SPLITS = {"val": "val.", "test": "test"}
"""How a split is called, as in the tables."""
