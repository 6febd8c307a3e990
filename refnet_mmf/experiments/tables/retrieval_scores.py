"""How well each modality alone finds samples of its label, by every form of query and match."""

from __future__ import annotations

from collections.abc import Mapping

from refnet_mmf.experiments.retrieval import KS, MATCHES, QUERIES, queries_of, retrieve
from refnet_mmf.experiments.tables.embedding_measures import SPLIT, EmbeddingMeasure
from refnet_mmf.plugin.embedding_set import EmbeddingSet


def score_name(modality: str, form: str, match: str, k: int) -> str:
    """Return the name under which a score stands in a result, like a metric's."""
    return f"{modality}_{form}_{match}_top{k}"


def chance_name(match: str, k: int) -> str:
    """Return the name under which stands what a random order scores."""
    return f"chance_{match}_top{k}"


def retrieval_scores(embeddings: Mapping[str, EmbeddingSet]) -> dict[str, float]:
    """Return the scores of the test split's embeddings, in 0..1 by `score_name`; and of chance.

    Raises:
        ValueError: the split has no labels.
    """
    among = embeddings[SPLIT]
    if among.labels is None:
        raise ValueError("its split has no labels")
    scores = {}
    for form in QUERIES:
        for modality in among.queries if form == "fused" else among.features:
            queries = queries_of(among, modality, form)
            for match in MATCHES:
                found = retrieve(queries, among.fused, among.labels, match=match)
                for k in KS:
                    scores[score_name(modality, form, match, k)] = found.hits[k]
                    scores[chance_name(match, k)] = found.chance[k]
    return scores


RETRIEVAL = EmbeddingMeasure("retrieval", (SPLIT,), retrieval_scores, queries=True)
