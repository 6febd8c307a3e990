"""Grids of real runs on tiny data: what is finished is kept, what was cut goes on."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")

from refnet_mmf.experiments.grid import run_folder, runner
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.grid.run_folder import Result, RunFolderError
from refnet_mmf.experiments.grid.runner import finished, run_all, run_job
from refnet_mmf.experiments.mmf_run import (
    LOCK,
    Run,
    RunFailed,
    _environment,
    _follow,
    empty_folder,
)

pytestmark = pytest.mark.mmf
SHORT = (
    *("training.max_updates=6", "training.batch_size=16", "training.evaluation_interval=3"),
    *("training.checkpoint_interval=2", "scheduler.params.num_warmup_steps=1"),
    "training.log_interval=1",
)
CELL = Cell("hateful_memes", "mmbt", "refnet", SHORT)
BROKEN = Cell("hateful_memes", "mmbt", "refnet", (*SHORT, "training.batch_size=0"), "broken")


@pytest.fixture
def jobs(memes, tmp_path):
    def make(*cells, seeds=(0,), out=None):
        return jobs_of(cells, "mini", {("hateful_memes", 0): memes}, seeds, out or tmp_path)

    return make


def value(result):
    return result.value("test", "hateful_memes", "refnet_roc_auc")


def test_a_grid_is_run_once_and_a_failure_does_not_stop_the_rest(jobs, capfd):
    grid = jobs(BROKEN, CELL, CELL)
    assert len(grid) == 2
    outcome = run_all(grid, workers=2)
    (done,) = outcome.results
    (failed,) = outcome.failures
    assert done.cell == CELL
    assert failed.cell == BROKEN
    assert "its log: " in outcome.failures[failed]
    assert "its log: " in capfd.readouterr().out
    log = done.run.log.read_bytes()
    again = run_all([done], workers=1)
    assert again.results == outcome.results == finished([done]).results
    assert done.run.log.read_bytes() == log


def test_each_worker_has_a_gpu_of_its_own_where_there_are_some(jobs, monkeypatch):
    """Which one a run is given is all that is looked at: there is none here."""
    given = []

    def run(job, bar, gpu, stop):
        given.append(gpu)
        start.wait(timeout=60)  # both workers are at it
        return Result(1.0, {})

    start = threading.Barrier(2)
    monkeypatch.setattr(runner, "run_job", run)
    grid = jobs(CELL, seeds=range(6))
    assert len(run_all(grid, workers=2, gpus=[4, 7]).results) == 6
    assert sorted(given) == 3 * [4] + 3 * [7]
    given.clear()
    run_all(grid, workers=2, gpus=[])
    assert given == 6 * [None]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_by_hand_from_the_command_gives_the_number(jobs, tmp_path, workers):
    (job,) = jobs(CELL)
    result = run_all([job], workers=workers).results[job]
    other = tmp_path / "by_hand"
    words = [word for word in shlex.split(job.run.command) if not word.startswith("env.save_dir")]
    assert words[:2] == ["OMP_NUM_THREADS=1", "mmf_run"]
    command = [sys.executable, "-m", "mmf_cli.run", *words[2:], f"env.save_dir={other}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    by_hand = json.loads((other / "evaluations.json").read_text())
    assert by_hand["test"]["test/hateful_memes/refnet_roc_auc"] == value(result)


KILLED = """
import sys
from pathlib import Path
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.grid.runner import run_all
cell = Cell("hateful_memes", "mmbt", "refnet", {options!r})
jobs = jobs_of([cell], "mini", {{("hateful_memes", 0): Path({data!r})}}, (0,), Path({out!r}))
run_all(jobs, workers=1)
"""


@pytest.mark.slow
def test_a_run_whose_command_was_killed_ends_before_it_is_taken_up_again(jobs, memes, tmp_path):
    """SIGKILL of the command alone leaves its run to itself: two would write into one folder."""
    (whole,) = jobs(CELL, out=tmp_path / "whole")
    expected = run_all([whole], workers=1).results[whole]
    (job,) = jobs(CELL, out=tmp_path / "cut")
    code = KILLED.format(options=SHORT, data=str(memes), out=str(tmp_path / "cut"))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not job.run.progress():
        time.sleep(0.05)
        assert process.poll() is None
    process.kill()
    process.wait()
    result = run_all([job], workers=1).results[job]
    assert result.values == expected.values
    updates = [line.update for line in job.run.progress() if "train/total_loss" in line.values]
    assert updates == sorted(set(updates)) == list(range(1, 7))


@pytest.mark.slow
def test_a_grid_that_is_killed_goes_on_where_it_was(jobs, memes, tmp_path):
    (whole,) = jobs(CELL, out=tmp_path / "whole")
    expected = run_all([whole], workers=1).results[whole]
    out = tmp_path / "cut"
    (job,) = jobs(CELL, out=out)
    code = KILLED.format(options=SHORT, data=str(memes), out=str(out))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(job.run.folder.glob("current.ckpt")):
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not finished([job]).results
    result = run_all([job], workers=1).results[job]
    assert result.values == expected.values


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_command_alone_stops_its_runs(jobs, memes, tmp_path, sent):
    """Ctrl-C in a terminal reaches the runs, too; a signal by kill or of a supervisor does not."""
    (whole,) = jobs(CELL, out=tmp_path / "whole")
    expected = run_all([whole], workers=1).results[whole]
    (job,) = jobs(CELL, out=tmp_path / "cut")
    code = KILLED.format(options=SHORT, data=str(memes), out=str(tmp_path / "cut"))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not job.run.progress():
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(sent)
    said = process.communicate(timeout=120)[1]
    assert said.rstrip().endswith("KeyboardInterrupt") and "Exception ignored" not in said
    with (job.run.folder / LOCK).open("ab") as file:  # nobody holds it
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not finished([job]).results
    assert run_all([job], workers=1).results[job].values == expected.values


def test_no_more_workers_are_made_than_there_are_runs(jobs):
    (job,) = jobs(CELL)
    run_folder.start(job.run)
    (job.run.folder / "evaluations.json").write_text('{"test": {"test/x/y": 0.5}}')
    result = run_folder.finish(job.run, 1.0)
    assert run_all([job], workers=10**9).results == {job: result}


def test_a_run_that_should_stop_does_not_wait_for_another_process(jobs):
    (job,) = jobs(CELL)
    job.run.folder.mkdir(parents=True)
    stop = threading.Event()
    stop.set()
    with (job.run.folder / LOCK).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunFailed, match="another process still runs there"):
            run_job(job, stop=stop)


def test_of_two_commands_on_one_run_the_later_takes_what_the_earlier_has_finished(jobs):
    (job,) = jobs(CELL)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: run_all([job], workers=1), range(2))
    assert first.results == second.results and not first.failures
    assert job.run.log.read_text().count("Finished run in") == 1


def test_a_run_sees_the_gpu_that_the_user_let_this_process_see(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert _environment(1)["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-c4f1")
    assert _environment(0)["CUDA_VISIBLE_DEVICES"] == "2"
    assert _environment(1)["CUDA_VISIBLE_DEVICES"] == "GPU-c4f1"
    assert _environment(None)["CUDA_VISIBLE_DEVICES"] == "2,GPU-c4f1"


class TestRunFolder:
    """What a folder says is whole, and of this run."""

    def test_another_version_is_refused_in_one_line(self, jobs):
        (job,) = jobs(CELL)
        run_folder.start(job.run)
        file = job.run.folder / "run.json"
        content = json.loads(file.read_text())
        content["versions"]["refnet_mmf"] = "0.0.1"
        file.write_text(json.dumps(content))
        outcome = run_all([job], workers=1)
        (line,) = outcome.failures.values()
        assert "holds a run with another version" in line
        assert "\n" not in line
        assert json.loads(file.read_text()) == content

    def test_another_command_is_refused(self, jobs):
        (job,) = jobs(CELL)
        run_folder.start(job.run)
        (other,) = jobs(Cell("hateful_memes", "mmbt", "refnet", ("training.max_updates=7",)))
        with pytest.raises(RunFolderError, match="holds a run with another command"):
            run_folder.start(other.run)

    def test_an_edit_of_a_yaml_file_makes_another_run(self, tmp_path):
        named, included = tmp_path / "named.yaml", tmp_path / "shared/included.yaml"
        included.parent.mkdir()
        named.write_text("includes: [shared/included.yaml, mmf/of_its_own.yaml]\n")
        included.write_text("training: {batch_size: 32, max_updates: 10}\n")
        run = Run("edited", (f"config={named}", "model=refnet_gmu"), tmp_path / "run")
        run_folder.start(run)
        included.write_text("# a comment\ntraining: {max_updates: 10, batch_size: 32}\n")
        run_folder.start(run)
        included.write_text("training: {batch_size: 64, max_updates: 10}\n")
        with pytest.raises(RunFolderError, match="another YAML file .*included.yaml") as error:
            run_folder.start(run)
        assert "named.yaml" not in str(error.value) and "\n" not in str(error.value)
        file = run.folder / "run.json"
        kept = json.loads(file.read_text())
        assert {"configs/models/refnet_gmu.yaml", "configs/regime.yaml"} < set(kept["YAML files"])
        del kept["YAML files"]
        file.write_text(json.dumps(kept))
        run_folder.start(run)

    def test_a_result_of_another_version_is_refused_whatever_the_run_says_of_its_start(self, jobs):
        (job,) = jobs(CELL)
        run_folder.start(job.run)
        started = json.loads((job.run.folder / "run.json").read_text())
        other = {**started, "versions": {"torch": "1.0"}, "values": {"test": {}}}
        (job.run.folder / "result.json").write_text(json.dumps(other))
        assert "holds a run with another version" in finished([job]).failures[job]
        (job.run.folder / "run.json").unlink()
        assert "holds a run with another version" in finished([job]).failures[job]

    @pytest.mark.parametrize(
        "damage",
        [
            {"seconds": "long"},
            {"values": [1]},
            {"values": {"test": {"a": "word"}}},
            {"values": {"test": {"a": 10**400}}},
            {"values": None},
        ],
    )
    def test_a_result_that_is_none_is_refused_in_one_line(self, jobs, damage):
        (job,) = jobs(CELL)
        run_folder.start(job.run)
        started = json.loads((job.run.folder / "run.json").read_text())
        content = {**started, "values": {"test": {}}, **damage}
        (job.run.folder / "result.json").write_text(json.dumps(content))
        said = finished([job]).failures[job]
        assert "result.json: damaged" in said and "\n" not in said

    @pytest.mark.parametrize("damage", [{"seconds": "long"}, {"command": "mmf_run 'open"}])
    def test_a_start_that_is_none_is_refused_in_one_line(self, jobs, damage):
        (job,) = jobs(CELL)
        run_folder.start(job.run)
        file = job.run.folder / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **damage}))
        said = run_all([job], workers=1).failures[job]
        assert str(job.run.folder) in said and "\n" not in said

    @pytest.mark.parametrize("content", ["", '{"seconds": 1.0, "val', "[1]", 200_000 * "["])
    def test_a_result_that_is_cut_off_is_not_read(self, jobs, content):
        (job,) = jobs(CELL)
        job.run.folder.mkdir(parents=True)
        (job.run.folder / "result.json").write_text(content)
        outcome = finished([job])
        assert not outcome.results
        assert "result.json: " in outcome.failures[job]

    def test_a_full_disk_leaves_no_result(self, jobs):
        (job,) = jobs(CELL)
        run_folder.start(job.run)
        values = {"test": {f"test/x/{number}": 0.5 for number in range(2000)}}
        (job.run.folder / "evaluations.json").write_text(json.dumps(values))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                run_folder.finish(job.run, 1.0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, previous)
        assert not finished([job]).results
        assert not list(job.run.folder.glob(".*unfinished"))

    def test_a_run_that_measured_something_else_says_what(self, jobs):
        (job,) = jobs(CELL)
        run_folder.start(job.run)
        (job.run.folder / "evaluations.json").write_text('{"test": {"test/x/y": 0.5}}')
        result = run_folder.finish(job.run, 1.0)
        with pytest.raises(RunFolderError, match="no value test/x/z; there: test/x/y"):
            result.value("test", "x", "z")


class TestFollowing:
    """What is read of a run while it goes on."""

    def test_each_line_is_read_once_however_it_is_written(self, tmp_path):
        log = tmp_path / "log.txt"
        log.write_bytes(b"one\ntw")
        lines = _follow(log)
        assert next(lines) == ["one"]
        assert next(lines) == []
        with log.open("ab") as file:
            file.write(b"o\nthr\xffee\nfo")
        assert next(lines) == ["two", "thr\ufffdee"]
        with log.open("ab") as file:
            file.write(b"ur\n")
        assert next(lines) == ["four"]

    def test_a_folder_is_emptied_when_its_process_has_ended(self, tmp_path, capsys):
        run = Run("run", [], tmp_path / "run")
        (run.folder / "models").mkdir(parents=True)
        (run.folder / "models/model_1.ckpt").touch()
        (run.folder / "run.json").touch()
        with (run.folder / LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            thread = threading.Thread(target=empty_folder, args=[run])
            thread.start()
            time.sleep(0.2)
            assert (run.folder / "run.json").exists()
        thread.join()
        assert [path.name for path in run.folder.iterdir()] == [LOCK]
        assert "waiting for the process that still runs" in capsys.readouterr().err
