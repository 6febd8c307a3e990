"""Runs submitted by submitit: to processes of this machine, and to what stands in for SLURM."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import submitit

from refnet_mmf.cli import main

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")

from refnet_mmf.experiments.grid import submitted_jobs
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.grid.runner import finished, run_all
from refnet_mmf.experiments.grid.submission import Submission
from refnet_mmf.experiments.grid.submitted_jobs import run_submitted

SHORT = (
    *("training.max_updates=2", "training.batch_size=16", "training.evaluation_interval=2"),
    *("training.checkpoint_interval=2", "scheduler.params.num_warmup_steps=1"),
)
CELL = Cell("hateful_memes", "gmu", "refnet", SHORT)
BROKEN = Cell("hateful_memes", "gmu", "refnet", (*SHORT, "training.batch_size=0"), "broken")
HERE = Submission("local", at_once=1, gpus=0, cpus=1, memory=1, hours=0.5)


@pytest.fixture
def jobs(memes, tmp_path):
    def make(*cells, seeds=(0,)):
        return jobs_of(cells, "mini", {("hateful_memes", 0): memes}, seeds, tmp_path / "runs")

    return make


@pytest.mark.mmf
@pytest.mark.slow
def test_a_grid_is_run_once_and_a_failure_does_not_stop_the_rest(jobs, capfd):
    grid = jobs(BROKEN, CELL)
    outcome = run_all(grid, workers=1, submission=HERE)
    (done,), (failed,) = outcome.results, outcome.failures
    assert (done.cell, failed.cell) == (CELL, BROKEN)
    assert "its log: " in outcome.failures[failed]
    assert "its log: " in capfd.readouterr().out
    log = done.run.log.read_bytes()
    again = run_all([done], workers=1, submission=HERE)
    assert again.results == outcome.results == finished([done]).results
    assert done.run.log.read_bytes() == log


KILLED = """
from pathlib import Path
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.grid.runner import run_all
from refnet_mmf.experiments.grid.submission import Submission
jobs = jobs_of([{cell!r}], "mini", {{("hateful_memes", 0): Path({data!r})}}, (0,), Path({out!r}))
run_all(jobs, workers=1, submission={submission!r})
"""


@pytest.mark.mmf
@pytest.mark.slow
def test_a_job_of_a_process_that_was_killed_is_found_again(jobs, memes, tmp_path):
    (job,) = jobs(CELL)
    code = KILLED.format(cell=CELL, data=str(memes), out=str(tmp_path / "runs"), submission=HERE)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not job.run.log.is_file():
        time.sleep(0.05)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    note = (job.run.folder / "submitted.json").read_text()
    outcome = run_all([job], workers=1, submission=HERE)
    assert list(outcome.results) == [job]
    assert (job.run.folder / "submitted.json").read_text() == note
    assert len(list((job.run.folder / "submitit").glob("*_submitted.pkl"))) == 1


def die(job):
    """Stand for a run whose machine goes down."""
    job.run.log.write_text("the last words\n")
    os._exit(3)


def test_a_job_that_ends_without_a_result_is_told_with_its_last_lines(tmp_path):
    (job,) = jobs_of([CELL], "mini", {("hateful_memes", 0): tmp_path}, (0,), tmp_path)
    ((ended, said),) = run_submitted([job], HERE, die, lambda job: None)
    assert ended == job
    assert f"{job.run.name}: job " in said and "ended without a result" in said
    assert said.endswith("the last words")


def give(job):
    """Stand for a run."""
    time.sleep(0.5)
    return Result(time.time(), {"test": {"seed": job.seed}})


def test_no_more_jobs_than_asked_for_are_under_way(tmp_path):
    grid = jobs_of([CELL], "mini", {("hateful_memes", 0): tmp_path}, range(3), tmp_path)
    under_way, most = set(), 0

    def watch(job):
        nonlocal most
        under_way.add(job)
        most = max(most, len(under_way))

    for job, result in run_submitted(grid, replace(HERE, at_once=2, cpus=3), give, watch):
        assert result.values == {"test": {"seed": job.seed}}
        under_way.discard(job)
    assert most == 2


STAND_IN = {
    "sbatch": """
number=$((100 + $(ls "$SLURM_STAND_IN" | grep -c sh)))
cp "$1" "$SLURM_STAND_IN/$number.sh"
export SLURM_JOB_ID=$number SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0
export SLURM_LOCALID=0 SLURM_JOB_NODELIST=here
(bash "$SLURM_STAND_IN/$number.sh"; echo > "$SLURM_STAND_IN/$number.ended") > /dev/null 2>&1 &
echo "Submitted batch job $number"
""",
    "srun": """
while case "$1" in --output|--error) shift;; --*) ;; *) false;; esac; do shift; done
exec "$@"
""",
    "sacct": """
echo "JobID|State|NodeList"
for word; do case "$word" in [0-9]*)
if test -e "$SLURM_STAND_IN/$word.ended"; then state=COMPLETED; else state=RUNNING; fi
echo "$word|$state|here";; esac; done
""",
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Three commands that stand in for SLURM's; give the folder that has the jobs' scripts."""
    commands, scripts = tmp_path / "bin", tmp_path / "scripts"
    commands.mkdir()
    scripts.mkdir()
    for name, text in STAND_IN.items():
        (commands / name).write_text(f"#!/bin/bash\n{text}")
        (commands / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STAND_IN", str(scripts))
    return scripts


def test_a_job_asks_slurm_for_what_was_said(slurm, tmp_path):
    (job,) = jobs_of([CELL], "mini", {("hateful_memes", 0): tmp_path}, (0,), tmp_path / "runs")
    asked = Submission("slurm", partition="long", account="lab", cpus=2, hours=1.5, memory=16)
    ((_, result),) = run_submitted([job], asked, give, lambda job: None)
    assert result.values == {"test": {"seed": 0}}
    (script,) = slurm.glob("*.sh")
    for line in (
        *("partition=long", "account=lab", "cpus-per-task=2", "time=90", "mem=16GB"),
        *("gpus-per-node=1", "nodes=1", "job-name=hateful_memes-gmu-refnet"),
    ):
        assert f"#SBATCH --{line}\n" in script.read_text()


def test_a_job_that_slurm_refuses_is_told_and_the_rest_goes_on(slurm, tmp_path):
    sbatch = slurm.parent / "bin" / "sbatch"
    refusing = 'test -e "$SLURM_STAND_IN/101.sh" && { echo QOSMaxSubmitJob >&2; exit 1; }\n'
    sbatch.write_text(sbatch.read_text().replace("number=", f"{refusing}number=", 1))
    grid = jobs_of([CELL], "mini", {("hateful_memes", 0): tmp_path}, range(3), tmp_path / "runs")
    ended = dict(run_submitted(grid, Submission("slurm", cpus=1), give, lambda job: None))
    assert [ended[job].values["test"]["seed"] for job in grid[:2]] == [0, 1]
    assert ended[grid[2]].startswith(f"{grid[2].run.name}: could not be submitted: ")


def test_a_job_that_accounting_does_not_know_yet_is_not_submitted_again(
    slurm, tmp_path, monkeypatch
):
    (job,) = jobs_of([CELL], "mini", {("hateful_memes", 0): tmp_path}, (0,), tmp_path / "runs")
    asked = Submission("slurm", cpus=1)
    assert dict(run_submitted([job], asked, give, lambda job: None))
    silent = "#!/bin/bash\necho 'JobID|State|NodeList'\n"
    (slurm.parent / "bin" / "sacct").write_text(silent)
    another_process = type(submitit.SlurmJob.watcher)()
    monkeypatch.setattr(submitit.SlurmJob, "watcher", another_process)
    assert submitted_jobs._find(job.run, asked) is not None
    (submission,) = (job.run.folder / submitted_jobs.LOGS).glob("*_submission.sh")
    os.utime(submission, (0, 0))
    assert submitted_jobs._find(job.run, asked) is None


@pytest.mark.mmf
@pytest.mark.slow
def test_a_grid_is_run_on_what_stands_in_for_slurm(slurm, jobs):
    outcome = run_all(jobs(BROKEN, CELL), 1, submission=Submission("slurm", cpus=1))
    assert [job.cell for job in outcome.results] == [CELL]
    (said,) = outcome.failures.values()
    assert "its log: " in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--submit", "slrum"], "--submit: unknown place 'slrum'; did you mean 'slurm'?"),
        (["--submit", "slurm"], "--submit slurm: there is no SLURM here"),
        (["--slurm-gpus", "1"], "--slurm-gpus: has no effect without --submit slurm"),
        (["--submit", "local", "--slurm-gpus", "8"], "--slurm-gpus: a run is one process"),
        (["--submit", "local", "--slurm-cpus", "0"], "--slurm-cpus: expected a number above 0"),
        (["--submit", "local", "--slurm-hours", "nan"], "--slurm-hours: expected a number above"),
        (["--submit", "local", "--slurm-partition", "a b"], "--slurm-partition: expected a name"),
    ],
)
def test_what_is_wrong_ends_in_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    for command in (["table", "2"], ["tune", "mmimdb", "--model", "gmu"]):
        assert main([*command, *words]) == 1
        said = capsys.readouterr().err
        assert message in said
        assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_times_are_not_taken_on_several_machines(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "a7", "--submit", "local"]) == 1
    assert "--submit: the runs of table a7 are timed in turn" in capsys.readouterr().err
