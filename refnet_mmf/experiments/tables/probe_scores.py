"""What of each modality, and of the labels, the fused embeddings keep: linear probes of them."""

from __future__ import annotations

from collections.abc import Mapping

from refnet_mmf.experiments.probes import label_probe, modality_probes
from refnet_mmf.experiments.tables.embedding_measures import SPLIT, EmbeddingMeasure
from refnet_mmf.plugin.embedding_set import EmbeddingSet

FITTED = "train"
LABELS = "probe_labels"


def score_name(modality: str, of: str) -> str:
    """Return the name under which an R^2 stands in a result, like a metric's.

    Args:
        modality: whose.
        of: what of it is read, of `probes.READ`.
    """
    return f"probe_{modality}_{of}_r2"


def probe_scores(embeddings: Mapping[str, EmbeddingSet]) -> dict[str, float]:
    """Fit the probes to the training split, all of it, and judge them by the test split.

    Returns:
        R^2 by `score_name`, and what the probe of the labels scores as `LABELS`: accuracy, or of
        label sets the micro F1. All labels of the training split are used.

    Raises:
        ValueError: a split has no labels.
    """
    fitted, judged = embeddings[FITTED], embeddings[SPLIT]
    scores = {
        score_name(name, of): score
        for (of, name), (score, _) in modality_probes(fitted, judged).items()
    }
    if fitted.labels is None or judged.labels is None:
        raise ValueError("a split has no labels")
    train, test = fitted.labelled(), judged.labelled()
    labels = label_probe(
        (fitted.fused[train], fitted.labels[train]), (judged.fused[test], judged.labels[test])
    )
    return {**scores, LABELS: labels.score}


PROBES = EmbeddingMeasure("probes", (FITTED, SPLIT), probe_scores, queries=False, revision=2)
