"""Runs as jobs of a SLURM cluster, by submitit, instead of processes of this one.

The process that submits may end: the jobs go on, and the same command finds them again by the note
in each run's folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

from refnet_mmf.core.messages import first_line
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.run_folder import Result, RunFolderError, read_json, write_json
from refnet_mmf.experiments.grid.submission import Submission
from refnet_mmf.experiments.mmf_run import LAST_LINES, Run, RunFailed

NOTE, LOGS = "submitted.json", "submitit"
POLL_SECONDS = {"slurm": 5.0, "local": 0.5}
SECONDS_UNTIL_KNOWN = 600.0
ALIVE = ("READY", "PENDING", "RUNNING", "REQUEUED", "COMPLETING", "CONFIGURING", "PREEMPTED")
"""States of SLURM in which a job may still come to its end."""


class SubmittedRun:
    """What a job does: one run, from where it was cut off.

    Args:
        job: the run.
        runner: runs it, and returns what it has come to.
    """

    def __init__(self, job: Job, runner: Callable[[Job], Result]) -> None:
        self.job, self.runner = job, runner

    def __call__(self) -> Result | str:
        """Run it; return what it has come to, or what went wrong."""
        try:
            return self.runner(self.job)
        except (RunFailed, RunFolderError, OSError) as error:
            return str(error)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Return what is submitted when the job's time is over, or when it is preempted."""
        return submitit.helpers.DelayedSubmission(self)


def run_submitted(
    jobs: Sequence[Job],
    submission: Submission,
    runner: Callable[[Job], Result],
    watch: Callable[[Job], None],
) -> Iterator[tuple[Job, Result | str]]:
    """Submit jobs, at most ``at_once`` at a time, and yield each as it ends.

    Args:
        jobs: what is to be run.
        submission: what a job asks for.
        runner: runs a job, where it is executed.
        watch: called now and then with each job that is under way.

    Yields:
        A job with its result, or what went wrong.
    """
    waiting = list(jobs)
    under_way: dict[Job, submitit.Job[Result | str]] = {}
    while waiting or under_way:
        while waiting and (not submission.at_once or len(under_way) < submission.at_once):
            job = waiting.pop(0)
            try:
                under_way[job] = _find(job.run, submission) or _submit(job, submission, runner)
            except (FailedSubmissionError, UncompletedJobError, RunFolderError, OSError) as error:
                yield job, f"{job.run.name}: could not be submitted: {first_line(error)}"
        for job, handle in list(under_way.items()):
            watch(job)
            if not _is_alive(handle):
                del under_way[job]
                yield job, _outcome(job.run, handle)
        if under_way:
            time.sleep(POLL_SECONDS[submission.cluster])


def _submit(
    job: Job, submission: Submission, runner: Callable[[Job], Result]
) -> submitit.Job[Result | str]:
    folder = job.run.folder / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    executor = submitit.AutoExecutor(folder, cluster=submission.cluster)
    executor.update_parameters(name=job.cell.name, **submission.parameters)
    handle = executor.submit(SubmittedRun(job, runner))
    write_json({"cluster": submission.cluster, "job": handle.job_id}, job.run.folder / NOTE)
    return handle


def _find(run: Run, submission: Submission) -> submitit.Job[Result | str] | None:
    """Return the job of an earlier process that is still under way."""
    note = read_json(run.folder / NOTE)
    if note is None or note.get("cluster") != submission.cluster:
        return None
    kind = submitit.SlurmJob if submission.cluster == "slurm" else submitit.LocalJob
    handle: submitit.Job[Result | str] = kind(run.folder / LOGS, str(note.get("job")))
    return handle if _is_alive(handle, first=True) else None


def _is_alive(handle: submitit.Job[Any], *, first: bool = False) -> bool:
    """Tell whether a job may still come to its end; ``first``: it is another process' job."""
    if isinstance(handle, submitit.SlurmJob):
        if first:
            known = handle.watcher.get_state(handle.job_id, mode="force").upper()
            return known.startswith(ALIVE) or (known == "UNKNOWN" and _is_new(handle))
        return not handle.done()
    if not handle.done():
        return True
    # Of another process' child, submitit knows no more than whether it has left a result.
    command = Path(f"/proc/{handle.job_id}/cmdline")
    try:
        return str(handle.paths.folder).encode() in command.read_bytes()
    except OSError:
        return False


def _is_new(handle: submitit.Job[Any]) -> bool:
    """Tell whether a job's folder is so young that SLURM's accounting may not know it yet."""
    return time.time() - handle.paths.submission_file.stat().st_mtime < SECONDS_UNTIL_KNOWN


def _outcome(run: Run, handle: submitit.Job[Result | str]) -> Result | str:
    try:
        return handle.result()
    except (FailedJobError, UncompletedJobError) as error:
        lines = str(error).splitlines()
        told = "; ".join([f"job {handle.job_id} ended without a result", *lines[-1:]])
        log = run.log.read_text(errors="replace").splitlines() if run.log.is_file() else []
        last = "".join(f"\n  {line}" for line in log[-LAST_LINES:])
        return f"{run.name}: {told}" + (f"; its log: {run.log}{last}" if last else "")
