"""What is measured of the embeddings of a grid's finished runs, once for each run.

The best checkpoint's embeddings are made, and what they come to is kept in the run's folder, with
the checkpoint's hash beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from refnet_mmf import register
from refnet_mmf.experiments.file_hash import file_hash
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.run_folder import (
    Result,
    RunFolderError,
    read_json,
    write_json,
)
from refnet_mmf.experiments.grid.runner import Outcome
from refnet_mmf.experiments.versions import versions
from refnet_mmf.experiments.worker_processes import worker_processes
from refnet_mmf.plugin.embedding_set import EmbeddingSet

SPLIT = "test"
"""The split that every measure is of; its scores stand among the run's of this split."""

Scores = Mapping[str, float]


@dataclass(frozen=True)
class EmbeddingMeasure:
    """Something that is measured of a network's embeddings.

    Attributes:
        name: what it is called in messages, and in the name of its file.
        splits: whose embeddings it needs.
        score: gives its scores, in 0..1 by name, for the embeddings by split; a ValueError is
            the reason why there are none.
        queries: it needs those with one modality alone, too.
        revision: raised where the same embeddings come to other scores than before: scores of an
            earlier one are made again.
    """

    name: str
    splits: tuple[str, ...]
    score: Callable[[Mapping[str, EmbeddingSet]], Scores]
    queries: bool
    revision: int = 1

    @property
    def file_name(self) -> str:
        """The name of its file in a run's folder."""
        return f"{self.name}_{SPLIT}.json"


def measured(outcome: Outcome, measure: EmbeddingMeasure, workers: int) -> Outcome:
    """Add a measure's scores to the results of finished runs; each is measured once.

    A run whose scores can't be made is among the failures.

    Args:
        outcome: the finished runs.
        measure: what is measured.
        workers: how many processes measure, of one thread each.
    """
    with_scores = known(outcome, measure)
    lacking = with_scores.lacking(list(outcome.results))
    made = dict(_measure_all(lacking, measure, workers)) if lacking else {}
    for job in lacking:
        scores = made[job]
        if isinstance(scores, str):
            with_scores.failures[job] = f"{measure.name}: {scores}"
        else:
            with_scores.results[job] = _joined(job, outcome.results[job], scores)
    return with_scores


def known(outcome: Outcome, measure: EmbeddingMeasure) -> Outcome:
    """Add a measure's scores where they were made already; the other runs are left out."""
    with_scores = Outcome(failures=dict(outcome.failures))
    for job, result in outcome.results.items():
        try:
            scores = stored_scores(job.run.folder, measure)
        except RunFolderError as error:
            with_scores.failures[job] = str(error)
        else:
            if scores is not None:
                with_scores.results[job] = _joined(job, result, scores)
    return with_scores


def known_all(outcome: Outcome, measures: Iterable[EmbeddingMeasure]) -> Outcome:
    """Add all these measures' scores, as `known` does; runs that lack some are left out."""
    return reduce(known, measures, outcome)


def stored_scores(folder: Path, measure: EmbeddingMeasure) -> Scores | None:
    """Return the scores that a run's folder holds, in 0..1 by name.

    None: there are none yet, or they are another checkpoint's than the one that is there now, or
    of an earlier revision.

    Raises:
        RunFolderError: the file is damaged, or holds scores that other versions have made.
    """
    path = folder / measure.file_name
    found = read_json(path)
    if found is None:
        return None
    scores = found.get("scores")
    if not isinstance(scores, dict) or not scores or not all(map(_is_number, scores.values())):
        raise RunFolderError(f"{path}: holds no scores; remove it, and they are made again")
    if found.get("versions") != versions():
        raise RunFolderError(
            f"{path}: holds scores of other versions; remove it, and they are made again"
        )
    if found.get("revision") != measure.revision:
        return None
    checkpoint = folder / str(found.get("checkpoint"))
    if checkpoint.is_file() and file_hash(checkpoint) != found.get("checkpoint_sha256"):
        return None
    return scores


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_has_checkpoint(folder: Path) -> None:
    """Refuse a finished run's folder without a checkpoint, as results that were moved have none.

    Raises:
        RunFolderError: one line.
    """
    if not any(folder.glob("*.ckpt")):
        raise RunFolderError(
            f"{folder}: the run is finished, and its checkpoints are gone; remove the folder, "
            "and it is run again"
        )


def _measure_all(
    jobs: Sequence[Job], measure: EmbeddingMeasure, workers: int
) -> Iterator[tuple[Job, Scores | str]]:
    """Measure finished runs; yield the scores of each, or what went wrong."""
    with worker_processes(min(workers, len(jobs))) as pool:
        futures = {
            pool.submit(_measure, job.run.folder, measure, job.data_dir): job for job in jobs
        }
        for future in tqdm(as_completed(futures), measure.name, len(jobs), unit="run"):
            try:
                yield futures[future], future.result()
            except (ValueError, OSError) as error:
                yield futures[future], str(error)


def _measure(folder: Path, measure: EmbeddingMeasure, data_dir: Path) -> Scores:
    check_has_checkpoint(folder)
    register()
    from refnet_mmf.plugin.embeddings import embed

    torch.set_num_threads(1)
    with threadpool_limits(1):
        embedded = {
            split: embed(folder, split, data_dir, queries=measure.queries, bar=False)
            for split in measure.splits
        }
        scores = measure.score({split: made.embeddings for split, made in embedded.items()})
    checkpoint = embedded[SPLIT].checkpoint
    content: dict[str, Any] = {
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": file_hash(checkpoint),
        "samples": {split: len(made.embeddings) for split, made in embedded.items()},
        "versions": versions(),
        "revision": measure.revision,
        "scores": scores,
    }
    write_json(content, folder / measure.file_name)
    return scores


def _joined(job: Job, result: Result, scores: Scores) -> Result:
    named = {f"{SPLIT}/{job.cell.data_set}/{name}": score for name, score in scores.items()}
    values = {**result.values, SPLIT: {**result.values.get(SPLIT, {}), **named}}
    return Result(result.seconds, values)
