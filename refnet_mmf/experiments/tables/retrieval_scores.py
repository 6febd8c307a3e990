"""How well each modality finds samples of its label, for every finished run of a grid.

The best checkpoint's embeddings of a split are made once; what they score by every form of query,
rule of matching and modality is kept in the run's folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from refnet_mmf import register
from refnet_mmf.experiments.embed import file_hash
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.run_folder import (
    Result,
    RunFolderError,
    read_json,
    versions,
    write_json,
)
from refnet_mmf.experiments.grid.runner import Outcome
from refnet_mmf.experiments.retrieval import KS, MATCHES, QUERIES, queries_of, retrieve
from refnet_mmf.plugin.embedding_set import EmbeddingSet
from refnet_mmf.plugin.errors import DEBUG_VARIABLE, one_line

SPLIT = "test"
STORED = f"retrieval_{SPLIT}.json"


def score_name(modality: str, form: str, match: str, k: int) -> str:
    """Return the name under which a score stands in a result, like a metric's."""
    return f"{modality}_{form}_{match}_top{k}"


def with_retrieval(outcome: Outcome) -> Outcome:
    """Add the scores of retrieval to the results of finished runs; they are measured once.

    A run whose scores can't be made is among the failures.
    """
    measured = Outcome(failures=dict(outcome.failures))
    for job, result in tqdm(outcome.results.items(), desc="retrieval", unit="run"):
        try:
            scores = stored_scores(job.run.folder) or _measure(job.run.folder)
        except Exception as error:  # whatever MMF raises when it builds a model or reads data
            if os.environ.get(DEBUG_VARIABLE) == "1":
                raise
            measured.failures[job] = f"retrieval: {one_line(error)}"
        else:
            measured.results[job] = _joined(job, result, scores)
    return measured


def stored_scores(folder: Path) -> Mapping[str, float] | None:
    """Return the scores that a run's folder holds, in 0..1 by name.

    None: there are none yet, or they are another checkpoint's than the one that is there now.

    Raises:
        RunFolderError: the file is damaged.
    """
    path = folder / STORED
    found = read_json(path)
    if found is None:
        return None
    scores = found.get("scores")
    if not isinstance(scores, dict) or not scores:
        raise RunFolderError(f"{path}: holds no scores; remove it, and they are made again")
    checkpoint = folder / str(found.get("checkpoint"))
    if checkpoint.is_file() and file_hash(checkpoint) != found.get("checkpoint_sha256"):
        return None
    return scores


def scores_of(embeddings: EmbeddingSet) -> dict[str, float]:
    """Return the scores of a split's embeddings, in 0..1 by `score_name`.

    Raises:
        ValueError: the split has no labels.
    """
    if embeddings.labels is None:
        raise ValueError("its split has no labels")
    scores = {}
    for form in QUERIES:
        for modality in embeddings.queries if form == "fused" else embeddings.features:
            queries = queries_of(embeddings, modality, form)
            for match in MATCHES:
                found = retrieve(queries, embeddings.fused, embeddings.labels, match=match)
                for k in KS:
                    scores[score_name(modality, form, match, k)] = found.hits[k]
    return scores


def _measure(folder: Path) -> Mapping[str, float]:
    register()
    from refnet_mmf.plugin.embeddings import embed

    embedded = embed(folder, SPLIT)
    scores = scores_of(embedded.embeddings)
    content: dict[str, Any] = {
        "checkpoint": embedded.checkpoint.name,
        "checkpoint_sha256": file_hash(embedded.checkpoint),
        "split": SPLIT,
        "samples": len(embedded.embeddings),
        "versions": versions(),
        "scores": scores,
    }
    write_json(content, folder / STORED)
    return scores


def _joined(job: Job, result: Result, scores: Mapping[str, float]) -> Result:
    named = {f"{SPLIT}/{job.cell.data_set}/{name}": score for name, score in scores.items()}
    values = {**result.values, SPLIT: {**result.values.get(SPLIT, {}), **named}}
    return Result(result.seconds, values)
