"""Writes folders of finished runs as the runner leaves them, so that nothing has to be trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.mmf_run import Run


def write_finished(job: Job, values: Mapping[str, Mapping[str, float]], seconds: float = 1.0):
    """Write a job's folder; ``values`` by split, then by metric's name in MMF's registry."""
    job.run.folder.mkdir(parents=True)
    run_folder.start(job.run)
    measured = {
        split: {f"{split}/{job.cell.data_set}/{metric}": value for metric, value in of.items()}
        for split, of in values.items()
    }
    run_folder.write_json(measured, job.run.folder / run_folder.EVALUATIONS)
    run_folder.finish(job.run, seconds)


def write_log(run: Run, updates: Iterable[int], values: Mapping[str, float]) -> None:
    """Write a run's log with a line of training for each of ``updates``, all alike."""
    shown = ", ".join(f"{key}: {value}" for key, value in values.items())
    last = max(updates := list(updates))
    lines = [f"mmf.train : progress: {update}/{last}, {shown}, lr: 0.1" for update in updates]
    Path(run.log).write_text("\n".join(lines) + "\n")
