"""`refnet table` where every run is finished: each number is that of the runs' files."""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys

import numpy as np
import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments.experiment_names import METRICS
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.tables.known_tables import measures_of, parts_of
from refnet_mmf.experiments.tables.retrieval_scores import RETRIEVAL
from refnet_mmf.experiments.tables.training_time import identity, rounds_of, timed_cells
from tests.experiments.finished_runs import write_finished, write_measure

SEEDS = (0, 1, 2)


@pytest.fixture(params=["2", "1", "probes"])
def finished(request, place):
    """A table's name, and the jobs of it with a value of their own in every column."""
    name = request.param
    parts = parts_of(name, "exact")
    cells = list(dict.fromkeys(cell for part in parts for cell in part.cells))
    jobs = place.jobs(cells, [(0, seed) for seed in SEEDS])
    measured = {name for part in parts for column in part.columns for name in column.metrics}
    random = np.random.default_rng(0)
    values = {}
    for job in jobs:
        values[job] = {metric: 0.2 + 0.6 * random.random() for metric in sorted(measured)}
        stock = dict.fromkeys(METRICS[job.cell.data_set].values(), 0.5)
        write_finished(job, {"val": stock, "test": values[job] if name == "2" else stock})
        if name != "2":
            for measure in measures_of(name):
                write_measure(job, measure, values[job])
    return name, values


def table(place, name):
    words = ["table", name, "--out", place.out, "--data-dir", place.data_dir]
    return main([*map(str, words), "--seeds", str(len(SEEDS))])


def rows_of(place, name, number=""):
    file = place.out / f"tables/table_{name}_mini{number}.csv"
    return list(csv.reader(file.read_text().splitlines()))


def test_each_cell_is_mean_and_deviation_of_its_runs(place, finished, capsys):
    name, values = finished
    assert table(place, name) == 0
    shown = capsys.readouterr().out
    assert "MINIATURE" in shown and "Seeds 0, 1, 2; data seeds 0" in shown
    part = parts_of(name, "exact")[0]
    header, *rows, runs = rows_of(place, name)
    if any(column.chance is not None for column in part.columns):
        assert rows.pop()[0] == "by chance"
    assert [row[0] for row in rows] == [row.title for row in part.rows]
    assert runs[:2] == ["runs", str(len(SEEDS))]
    for column in part.columns:
        at = header.index(column.title)
        for row, written in zip(part.rows, rows, strict=True):
            cell = row.cells.get(column.key)
            own = [100 * of[column.metric] for job, of in values.items() if job.cell == cell]
            expected = f"{statistics.mean(own):.2f} ± {statistics.stdev(own):.2f}" if own else "-"
            assert written[at] == expected


def test_every_file_says_that_the_data_is_miniature(place, finished):
    name, _ = finished
    assert table(place, name) == 0
    files = list((place.out / "tables").iterdir())
    assert {path.suffix for path in files} == {".md", ".tex", ".csv"}
    for path in files:
        lines = path.read_text().splitlines()
        if path.suffix == ".csv":
            assert lines[0].endswith(",data")
            assert all(line.endswith(",MINIATURE") for line in lines[1:])
        else:
            assert any("MINIATURE" in line for line in lines if not line.startswith("%"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data-seeds", "3"], "--data-seeds: --data-dir is one set"),
        (["--scale", "paper"], "holds MINIATURE data (miniature.json), which is for --scale mini"),
    ],
)
def test_one_set_is_not_taken_for_several_nor_for_the_real_one(place, words, message, capsys):
    words = ["table", "2", "--out", place.out, "--data-dir", place.data_dir, *words]
    assert main(list(map(str, words))) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not place.out.exists()


def test_runs_on_a_set_that_was_named_are_of_its_seed(place, capsys):
    (place.data_dir / "miniature.json").write_text('{"seed": 7}')
    words = ["table", "2", "--out", place.out, "--data-dir", place.data_dir, "--dry-run"]
    assert main(list(map(str, words))) == 0
    assert "/mmimdb-gmu-baseline/data-7/seed-0" in capsys.readouterr().out
    for damage in ("[]", "{", '{"seed": "x"}'):
        (place.data_dir / "miniature.json").write_text(damage)
        assert main(list(map(str, words))) == 1
        assert "miniature.json: damaged, says no seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "other", [{"versions": {"torch": "1.0"}}, {run_folder.YAML_FILES: {"baseline": {}}}]
)
def test_times_of_another_making_do_not_take_the_place_of_a_table(place, capsys, other):
    rounds = rounds_of(place.jobs(timed_cells(), [(0, 0)]))
    for one in rounds:
        run_folder.write_json({**identity(one), **other}, one.path)
    file = place.out / "tables" / "table_a7_mini.csv"
    file.parent.mkdir()
    file.write_text("the good one")
    words = ["table", "a7", "--out", place.out, "--data-dir", place.data_dir, "--seeds", 1]
    assert main(list(map(str, words))) == 1
    said = capsys.readouterr().err
    assert "No round is measured: no table is written." in said and "2 of 2 rounds failed" in said
    assert file.read_text() == "the good one"


def test_one_run_that_fails_is_named_and_the_others_stay_in_the_table(place, finished, capsys):
    name, values = finished
    lost = next(iter(values))
    other = {"command": "another", "versions": {}, "seconds": 1.0, "values": {"test": {}}}
    run_folder.write_json(other, lost.run.folder / run_folder.FINISHED)
    run_folder.write_json(other, lost.run.folder / run_folder.STARTED)
    assert table(place, name) == 1
    said = capsys.readouterr()
    assert f"Failed: {lost.run.name}: " in said.out
    assert f"refnet table: 1 of {len(values)} runs failed: " in said.err
    assert said.err.strip().splitlines()[-1].startswith("refnet table: ")
    part = parts_of(name, "exact")[0]
    by_chance = any(column.chance is not None for column in part.columns)
    assert len(rows_of(place, name)) == 2 + len(part.rows) + by_chance


def test_a_measure_that_cannot_be_made_is_a_failure_of_its_run(place, capsys):
    """The run is finished, but its checkpoint is gone."""
    pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
    parts = parts_of("1", "exact")
    scores = {name: 0.5 for part in parts for column in part.columns for name in column.metrics}
    jobs = place.jobs(parts[0].cells, [(0, seed) for seed in SEEDS])
    for job in jobs:
        write_finished(job, {"test": dict.fromkeys(METRICS[job.cell.data_set].values(), 0.5)})
        if job is not jobs[0]:
            write_measure(job, RETRIEVAL, scores)
    assert table(place, "1") == 1
    said = capsys.readouterr()
    assert f"Failed: {jobs[0].run.name}: retrieval: " in said.out
    assert not (jobs[0].run.folder / RETRIEVAL.file_name).exists()


@pytest.mark.parametrize("name", ["2", "a7"])
def test_data_that_is_not_there_is_named_before_anything_runs(name, tmp_path, capsys):
    pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
    (tmp_path / "empty").mkdir()
    words = ["--scale", "paper", "--data-dir", tmp_path / "empty", "--out", tmp_path / "results"]
    assert main(list(map(str, ["table", name, *words]))) == 1
    said = capsys.readouterr().err
    assert "no such file" in said and said.count("\n") == 1
    assert not list((tmp_path / "empty").iterdir())
    assert not list(tmp_path.rglob("log.txt"))


def test_a_terminal_without_our_signs_gets_others(place, finished):
    command = [sys.executable, "-m", "refnet_mmf.cli", "table", finished[0], "--seeds", "3"]
    folders = ["--out", str(place.out), "--data-dir", str(place.data_dir)]
    done = subprocess.run(
        [*command, *folders],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert "Traceback" not in done.stderr
    assert " ? " in done.stdout


def test_further_options_are_those_of_every_run(place, capsys):
    option = "training.clip_norm=2.0"
    (part,) = parts_of("2", "exact")
    cells = [cell.with_options([option]) for cell in part.cells]
    for job in place.jobs(cells, [(0, seed) for seed in SEEDS]):
        values = dict.fromkeys(METRICS[job.cell.data_set].values(), 0.5 + job.seed / 100)
        write_finished(job, {"val": values, "test": values})
    words = ["table", "2", "--out", place.out, "--data-dir", place.data_dir, "--set", option]
    assert main([*map(str, words)]) == 0
    shown = capsys.readouterr().out
    assert f"Options of every run: {option}." in shown
    assert [row[1] for row in rows_of(place, "2")[1:3]] == 2 * ["51.00 ± 1.00"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("training.seed=3", "training.seed: is set by table 2, and can't be an option of its runs"),
        ("max_updates", "'max_updates': expected an option of the runs, KEY=VALUE"),
    ],
)
def test_options_that_the_table_sets_are_refused(place, capsys, option, message):
    assert main(["table", "2", "--out", str(place.out), "--set", option]) == 1
    assert capsys.readouterr().err == f"refnet table: {message}\n"


def test_a_call_with_fewer_parts_leaves_no_part_of_another(place, finished):
    name, _ = finished
    assert table(place, name) == 0
    count = len(list((place.out / "tables").glob("*.csv")))
    for further in (count + 1, count + 2):
        (place.out / f"tables/table_{name}_mini_{further}.csv").write_text("old")
    mine = place.out / f"tables/table_{name}_mini_of_my_own.csv"
    mine.write_text("kept")
    assert table(place, name) == 0
    assert len(list((place.out / "tables").glob("*.csv"))) == count + 1
    assert mine.read_text() == "kept"


def test_notes_on_the_miniature_data_are_not_shown_of_the_real_one():
    (memes,) = parts_of("3", "exact")
    said = {miniature: " ".join(memes.notes_on(miniature=miniature)) for miniature in (True, False)}
    assert "miniature" in said[True] and "miniature" not in said[False]


def test_a_table_of_two_measures_shows_both_of_the_runs_that_have_both(place, capsys):
    pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
    part = parts_of("gamma")[0]
    names = [name for column in part.columns for name in column.metrics]
    jobs = place.jobs(part.cells, [(0, seed) for seed in SEEDS])
    lost = jobs[0]
    for job in jobs:
        stock = dict.fromkeys(METRICS[job.cell.data_set].values(), 0.5)
        write_finished(job, {"val": stock, "test": stock})
        for measure in measures_of("gamma"):
            if job is not lost or measure is not RETRIEVAL:
                write_measure(job, measure, dict.fromkeys(names, 0.1 * (1 + job.seed)))
    words = ["table", "gamma", "--out", place.out, "--data-dir", place.data_dir, "--only", "gmu"]
    assert main([*map(str, words), "--seeds", str(len(SEEDS))]) == 1
    assert f"Failed: {lost.run.name}: retrieval: " in capsys.readouterr().out
    header, first, *_ = rows_of(place, "gamma")
    shown = dict(zip(header, first, strict=False))
    assert shown["all labels: text R^2"] == "25.00 ± 7.07"
    assert shown["all labels: by text: top-10"] == "25.00 ± 7.07"
    assert shown["5 %: by image: top-10"] == "20.00 ± 10.00"
