"""Runs the jobs of a grid: what is finished is skipped, what was cut off goes on from there."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tqdm import tqdm

from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import Cell, Job
from refnet_mmf.experiments.grid.run_folder import Result, RunFolderError
from refnet_mmf.experiments.grid.submission import Submission
from refnet_mmf.experiments.mmf_run import (
    RunFailed,
    execute,
    locked,
    terminated_as_interrupted,
)

Bar: TypeAlias = "tqdm[Any]"
SECONDS_BETWEEN_NOTES = 10.0


@dataclass(frozen=True)
class Outcome:
    """What a grid has come to.

    Attributes:
        results: of the jobs that are finished.
        failures: of those that are not, in the words of what went wrong.
    """

    results: dict[Job, Result] = field(default_factory=dict)
    failures: dict[Job, str] = field(default_factory=dict)

    def lacking(self, jobs: Sequence[Job]) -> list[Job]:
        """Return those of ``jobs`` of which nothing is known yet."""
        return [job for job in jobs if job not in self.results and job not in self.failures]

    def of(self, cells: Sequence[Cell]) -> Outcome:
        """Return what there is of some experiments, in their order."""
        return Outcome(
            {
                job: result
                for cell in cells
                for job, result in self.results.items()
                if job.cell == cell
            },
            {
                job: reason
                for cell in cells
                for job, reason in self.failures.items()
                if job.cell == cell
            },
        )


def failure_notes(failures: Mapping[Job, str]) -> list[str]:
    """Say what has failed, and why, each run by its name."""
    named = ((job.run.name, reason) for job, reason in failures.items())
    return [
        f"Failed: {reason if reason.startswith(f'{name}: ') else f'{name}: {reason}'}"
        for name, reason in named
    ]


def finished(jobs: Sequence[Job]) -> Outcome:
    """Return what is there of ``jobs`` without running any."""
    outcome = Outcome()
    for job in jobs:
        try:
            result = run_folder.result_of(job.run)
        except RunFolderError as error:
            outcome.failures[job] = str(error)
        else:
            if result is not None:
                outcome.results[job] = result
    return outcome


def unfinished(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that are still to do; one whose folder is another run's is none of them."""
    return finished(jobs).lacking(jobs)


def run_all(
    jobs: Sequence[Job],
    workers: int,
    gpus: Sequence[int] | None = None,
    submission: Submission | None = None,
) -> Outcome:
    """Run what is not finished, ``workers`` at a time; a job that fails does not stop the others.

    Args:
        jobs: the grid.
        workers: how many at a time; each computes with one thread.
        gpus: where there are any, each worker takes one, in turn; None: all that are visible.
        submission: submit the jobs to a cluster instead; ``workers`` and ``gpus`` are left aside.
    """
    outcome = finished(jobs)
    to_do = outcome.lacking(jobs)
    with terminated_as_interrupted(), _bar(len(jobs), len(outcome.results)) as bar:
        if submission is None:
            runs = _run_here(to_do, workers, visible_gpus() if gpus is None else gpus, bar)
        else:
            runs = _run_there(to_do, submission, bar)
        with closing(runs) as done:
            for job, result in done:
                if isinstance(result, Result):
                    outcome.results[job] = result
                else:
                    bar.write(result)
                    outcome.failures[job] = result
    return outcome


def visible_gpus() -> Sequence[int]:
    """Return the numbers of the GPUs that this process sees."""
    import torch

    return range(torch.cuda.device_count())


def first_gpu() -> int | None:
    """Return the number of the first GPU that this process sees; None: it sees none."""
    return next(iter(visible_gpus()), None)


def _run_here(
    jobs: Sequence[Job], workers: int, gpus: Sequence[int], bar: Bar
) -> Generator[tuple[Job, Result | str], None, None]:
    workers = max(1, min(workers, len(jobs)))
    stop = threading.Event()
    places: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    for number in range(workers):
        places.put(gpus[number % len(gpus)] if gpus else None)

    def work(job: Job) -> tuple[Job, Result | str]:
        gpu = places.get()
        try:
            return job, run_job(job, bar, gpu, stop)
        except (RunFailed, RunFolderError, OSError) as error:
            return job, str(error)
        finally:
            places.put(gpu)

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()


def _run_there(
    jobs: Sequence[Job], submission: Submission, bar: Bar
) -> Generator[tuple[Job, Result | str], None, None]:
    from refnet_mmf.experiments.grid.submitted_jobs import run_submitted

    shown: dict[Job, float] = {}

    def show(job: Job, share: float) -> None:
        bar.update(share - shown.get(job, 0.0))
        shown[job] = share

    def watch(job: Job) -> None:
        lines = job.run.progress()
        if lines and lines[-1].updates:
            show(job, min(max(line.update for line in lines) / lines[-1].updates, 1.0))

    for job, result in run_submitted(jobs, submission, run_job, watch):
        if isinstance(result, Result):
            show(job, 1.0)
        yield job, result


def run_job(
    job: Job,
    bar: Bar | None = None,
    gpu: int | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Run a job to its end, from where it was cut off.

    Another process that has it under way is waited for; what that has finished is not run again.

    Raises:
        RunFailed: the run ended with an error, or was stopped.
        RunFolderError: its folder holds another run.
    """
    with locked(job.run.folder, stop) as lock:
        return run_folder.result_of(job.run) or _run(job, bar, gpu, lock, stop)


def _run(
    job: Job, bar: Bar | None, gpu: int | None, lock: int, stop: threading.Event | None
) -> Result:
    before = run_folder.start(job.run)
    begun = noted = time.monotonic()
    shown = 0.0

    def show(update: int, updates: int) -> None:
        nonlocal shown, noted
        if time.monotonic() - noted > SECONDS_BETWEEN_NOTES:
            noted = time.monotonic()
            run_folder.note_seconds(job.run, before + noted - begun)
        if bar is not None and updates:
            bar.update(min(update / updates, 1.0) - shown)
            shown = min(update / updates, 1.0)

    seconds = before + execute(job.run, show, gpu, lock, stop)
    result = run_folder.finish(job.run, seconds)
    show(1, 1)
    return result


@contextmanager
def _bar(total: int, done: int) -> Iterator[Bar]:
    """Show how many runs are done, in parts of a run, and the time that is left."""
    layout = "{desc}: {n:.1f}/{total} |{bar}| {elapsed}, {remaining} left"
    with tqdm(
        total=total, initial=done, desc="runs", bar_format=layout, smoothing=0, mininterval=1
    ) as bar:
        yield bar
