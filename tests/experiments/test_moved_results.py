"""A folder of results can be moved: what is finished there is read, and needs no data."""

from __future__ import annotations

import shutil

import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments.experiment_names import METRICS
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.grid.run_folder import wherever_it_lies
from refnet_mmf.experiments.grid.runner import finished, run_all
from refnet_mmf.experiments.report.collect import Place
from refnet_mmf.experiments.tables import training_time
from refnet_mmf.experiments.tables.known_tables import measures_of, parts_of
from tests.experiments.finished_runs import write_finished, write_measure

CELL = Cell("mmimdb", "gmu", "baseline")


def command(results="/a/results", data="/a/results/data/mmimdb-0", package="/a/env"):
    return (
        f"mmf_run config={package}/refnet_mmf/projects/mmimdb/configs/gmu/refnet.yaml "
        f"env.data_dir={data} env.save_dir={results}/runs/mini/mmimdb-gmu-refnet/data-0/seed-0"
    )


def test_a_command_is_the_same_wherever_package_and_results_lie():
    here = wherever_it_lies(command())
    assert here == wherever_it_lies(command("/b/c", "/b/c/data/mmimdb-0", "/home/me/env"))
    assert "env.data_dir=data/mmimdb-0" in here


@pytest.mark.parametrize(
    "other",
    [
        command(data="/a/results/data/mmimdb-1"),
        command(data="/data/mmf"),
        command() + " training.seed=1",
        command().replace("gmu/refnet.yaml", "gmu/refnetms.yaml"),
    ],
)
def test_another_command_is_another_one_still(other):
    assert wherever_it_lies(other) != wherever_it_lies(command())


def test_only_whole_names_of_folders_are_left_out():
    words = wherever_it_lies(command("/a/results", "/a/results_of_old/data"))
    assert "env.data_dir=/a/results_of_old/data" in words


def test_results_can_be_moved_away_from_data_that_stays():
    here = command("/a/results", "/data/mmf")
    assert wherever_it_lies(here) == wherever_it_lies(command("/b/c", "/data/mmf"))
    assert wherever_it_lies(here) != wherever_it_lies(command("/b/c", "/b/mmf"))


def test_data_in_the_folder_of_results_itself_is_moved_with_it():
    here = command("/a/results", "/a/results")
    assert wherever_it_lies(here) == wherever_it_lies(command("/b/c", "/b/c"))


def test_names_with_spaces_are_names():
    here = command("'/a b/results'", "'/a b/results/data/mmimdb-0'", "'/my env'")
    assert wherever_it_lies(here) == wherever_it_lies(command())


@pytest.fixture
def finished_tables(tmp_path):
    """Results of tables 2 and probes."""
    place = Place(tmp_path / "results", "mini", None)
    for name in ("2", "probes"):
        parts = parts_of(name, "exact")
        metrics = [column.metric for part in parts for column in part.columns]
        for part in parts:
            for job in place.jobs(list(part.cells), [(0, 0), (0, 1)]):
                value = 0.4 + 0.1 * job.seed
                if not job.run.folder.exists():
                    stock = dict.fromkeys(METRICS["mmimdb"].values(), value)
                    write_finished(job, {"val": stock, "test": stock})
                for measure in measures_of(name):
                    write_measure(job, measure, dict.fromkeys(metrics, value))
    return place


@pytest.mark.parametrize("words", [["table", "2"], ["table", "probes"], ["report"]])
def test_what_is_finished_is_read_where_it_was_moved_to(finished_tables, tmp_path, words, capsys):
    moved = tmp_path / "elsewhere" / "of_old"
    shutil.copytree(finished_tables.out, moved)
    seeds = [] if words == ["report"] else ["--seeds", "2"]
    files = {}
    for out in (finished_tables.out, moved):
        assert main([*words, *seeds, "--out", str(out)]) == 0
        assert not (out / "data").exists()
        files[out] = {path.name: path.read_bytes() for path in out.glob("tables/*.csv")}
    assert files[moved] == files[finished_tables.out]
    assert "another command" not in capsys.readouterr().out


def test_a_run_beside_other_data_is_refused_there(finished_tables):
    (job,) = finished_tables.jobs([CELL], [(0, 0)])
    data_dirs = {("mmimdb", 0): finished_tables.out / "data" / "mmimdb-7"}
    (other,) = jobs_of([CELL], "mini", data_dirs, [0], finished_tables.out / "runs")
    assert other.run.folder == job.run.folder
    assert "holds a run with another command" in run_all([other], workers=1).failures[other]
    assert finished([job]).results


def test_a_measured_round_is_read_where_it_was_moved_to(tmp_path):
    def rounds(out):
        jobs = Place(out, "mini", None).jobs(training_time.timed_cells(), [(0, 0)])
        return training_time.rounds_of(jobs)

    here, there = tmp_path / "here", tmp_path / "there"
    for one in rounds(here):
        seconds = {variant: [0.1, 0.2, 0.3] for variant in one.jobs}
        content = {"machine": "a machine", "load": 0.0, "seconds": seconds}
        run_folder.write_json({**training_time.identity(one), **content}, one.path)
    shutil.copytree(here, there)
    for out in (here, there):
        times = training_time.measure(rounds(out))
        assert len(times.seconds) == len(training_time.MODELS) and not times.failures
        assert not training_time.unmeasured(rounds(out))
