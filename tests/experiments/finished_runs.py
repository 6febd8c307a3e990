"""Writes folders of finished runs as the runner leaves them, so that nothing has to be trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from refnet_mmf.experiments.embedding_file import write_embeddings
from refnet_mmf.experiments.file_hash import file_hash
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.mmf_run import Run
from refnet_mmf.experiments.tables.embedding_measures import EmbeddingMeasure
from refnet_mmf.experiments.versions import versions
from refnet_mmf.paths import EVALUATIONS
from refnet_mmf.plugin.embedding_set import EmbeddingSet


def write_finished(job: Job, values: Mapping[str, Mapping[str, float]], seconds: float = 1.0):
    """Write a job's folder; ``values`` by split, then by metric's name in MMF's registry."""
    job.run.folder.mkdir(parents=True)
    run_folder.start(job.run)
    measured = {
        split: {f"{split}/{job.cell.data_set}/{metric}": value for metric, value in of.items()}
        for split, of in values.items()
    }
    run_folder.write_json(measured, job.run.folder / EVALUATIONS)
    run_folder.finish(job.run, seconds)


def write_log(run: Run, updates: Iterable[int], values: Mapping[str, float]) -> None:
    """Write a run's log with a line of training for each of ``updates``, all alike."""
    shown = ", ".join(f"{key}: {value}" for key, value in values.items())
    last = max(updates := list(updates))
    lines = [f"mmf.train : progress: {update}/{last}, {shown}, lr: 0.1" for update in updates]
    Path(run.log).write_text("\n".join(lines) + "\n")


def write_test_embeddings(job: Job, embeddings: EmbeddingSet) -> Path:
    """Write a checkpoint, no real one, and what it is said to make of the test split."""
    checkpoint = job.run.folder / "best.ckpt"
    checkpoint.write_bytes(b"no weights")
    about = {
        "model": job.cell.model,
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": file_hash(checkpoint),
        "data_set": job.cell.data_set,
        "split": "test",
        "miniature": {"size": "tiny", "seed": job.data_seed},
        "pooler": "mean",
        "versions": {},
    }
    path = job.run.folder / "test.npz"
    write_embeddings(path, embeddings, about)
    return path


def write_measure(job: Job, measure: EmbeddingMeasure, scores: Mapping[str, float]) -> None:
    """Write what the test split's embeddings are said to come to."""
    content = {"scores": dict(scores), "versions": versions(), "revision": measure.revision}
    run_folder.write_json(content, job.run.folder / measure.file_name)
