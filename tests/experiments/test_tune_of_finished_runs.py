"""A search whose runs are all there trains nothing: what it draws, chooses, shows and keeps."""

from __future__ import annotations

import csv
import fcntl
import json

import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments.experiment_names import METRICS
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.tune import command
from refnet_mmf.experiments.tune.search import Search
from refnet_mmf.experiments.tune.space import Range, Space, baseline_cell, searched_cell
from tests.experiments.finished_runs import write_finished

DATA_SET, MODEL = "mmimdb", "gmu"
MICRO, MACRO = METRICS[DATA_SET].values()
SEEDS, FINAL_SEEDS = (0, 1), (2, 3)
SEARCH_SEED = 3
TRIALS = 4
OPTION = "optimizer.params.lr=0.01"
SPACE = Space(Range(0, 0.2), Range(0.1, 0.1), per_modality=False)


def quality(setting):
    """Best at a gamma of 0.1."""
    return 0.8 - abs(setting.gamma["text"] - 0.1)


def on_both(micro, macro):
    """Values of the validation and the test split, alike."""
    return {split: {MICRO: micro, MACRO: macro} for split in ("val", "test")}


def write_cell(place, cell, values, seeds=SEEDS):
    for job in place.jobs([cell], [(0, seed) for seed in seeds]):
        of_seed = {
            split: {metric: value + 0.01 * job.seed for metric, value in of.items()}
            for split, of in values.items()
        }
        write_finished(job, of_seed)


def write_trials(place, count=TRIALS):
    """Finish the runs of the trials that the command will draw; return their settings."""
    search = Search(None, SPACE, SEARCH_SEED, {})
    trials = []
    for _ in range(count):
        trial = search.begin()
        score = quality(trial.setting)
        cell = searched_cell(DATA_SET, MODEL, trial.setting, (OPTION,), test=False)
        write_cell(place, cell, {"val": {MICRO: score, MACRO: score / 2}})
        search.finish(trial, [score, score + 0.01])
        trials.append(trial.setting)
    return trials


def tune(place, *words, trials=TRIALS):
    options = ["--model", MODEL, "--out", place.out, "--data-dir", place.data_dir, "--seeds", 2]
    options += ["--gamma", "0:0.2", "--zeta", "0.1", "--search-seed", SEARCH_SEED, "--set", OPTION]
    return main(["tune", DATA_SET, *map(str, [*options, "--trials", trials, *words])])


def rows(place, number=""):
    file = place.out / f"tune/tune_{DATA_SET}_{MODEL}_mini{number}.csv"
    return list(csv.DictReader(file.read_text().splitlines()))


def test_the_best_of_the_validation_split_is_chosen_and_shown_beside_the_baseline(place, capsys):
    settings = write_trials(place)
    best = max(range(TRIALS), key=lambda number: quality(settings[number]))
    chosen = searched_cell(DATA_SET, MODEL, settings[best], (OPTION,), test=True)
    write_cell(place, chosen, on_both(0.7, 0.4), FINAL_SEEDS)
    baseline = baseline_cell(DATA_SET, MODEL, (OPTION,))
    write_cell(place, baseline, on_both(0.6, 0.45), FINAL_SEEDS)

    assert tune(place) == 0
    shown = capsys.readouterr().out
    assert f"chosen: trial {best} ({settings[best]}); now the test split" in shown
    assert f"Options of every run: {OPTION}." in shown and "MINIATURE" in shown
    assert "with seeds 2, 3, which the search has not used" in " ".join(shown.split())
    assert "4 comparisons" in shown
    trials = rows(place)
    assert [row["state"] == "chosen" for row in trials] == [n == best for n in range(TRIALS)]
    for row, setting in zip(trials, settings, strict=True):
        assert float(row["gamma text"]) == float(row["gamma image"]) == setting.gamma["text"]
        assert row[f"{MICRO} val."].startswith(f"{100 * quality(setting) + 0.5:.2f} ± 0.71")
    by_model = {row["model"]: row for row in rows(place, "_2")}
    assert by_model["baseline"][f"{MICRO} test"] == "62.50 ± 0.71"
    assert by_model["chosen"][f"{MACRO} test"] == "42.50 ± 0.71"
    differences = {row["metric"]: row["difference"] for row in rows(place, "_3")}
    assert differences[f"{MICRO} test"] == "+10.00" and differences[f"{MACRO} test"] == "-5.00"

    assert main(["report", "--out", str(place.out), "--data-dir", str(place.data_dir)]) == 0
    report = (place.out / "report_mini.html").read_text()
    assert f"Search: {DATA_SET}, {MODEL}" in report and "Chosen minus baseline" in report
    record = place.out / f"tune/tune_{DATA_SET}_{MODEL}_mini.json"
    for damaged in ("{}", record.read_text()[:100]):
        record.write_text(damaged)
        capsys.readouterr()
        assert main(["report", "--out", str(place.out), "--data-dir", str(place.data_dir)]) == 1
        assert capsys.readouterr().err.startswith(f"refnet report: {record}: ")


def test_the_test_split_ends_a_search(place, capsys):
    settings = write_trials(place)
    best = searched_cell(DATA_SET, MODEL, max(settings, key=quality), (OPTION,), test=True)
    for cell in (best, baseline_cell(DATA_SET, MODEL, (OPTION,))):
        write_cell(place, cell, on_both(0.7, 0.4), FINAL_SEEDS)
    assert tune(place) == tune(place) == 0
    for words, trials in (((), TRIALS + 1), (("--search-only",), TRIALS)):
        capsys.readouterr()
        assert tune(place, *words, trials=trials) == 1
        error = capsys.readouterr().err
        assert f"this search has ended with {TRIALS} trials: the test split has been seen" in error


def test_two_processes_are_not_at_one_search(place, capsys):
    write_trials(place)
    lock = place.out / "tune" / f"tune_{DATA_SET}_{MODEL}_mini.lock"
    lock.parent.mkdir()
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert tune(place) == 1
        error = capsys.readouterr().err
        assert "another process is at this search" in error and error.count("\n") == 1
    assert tune(place, "--search-only") == 0


def test_a_search_alone_evaluates_no_test_split_and_goes_on_with_more_trials(place, capsys):
    write_trials(place)
    assert tune(place, "--search-only", "--parallel", "2", trials=2) == 0
    assert "The test split has not been evaluated." in capsys.readouterr().out
    assert len(rows(place)) == 2
    assert tune(place, "--search-only", trials=TRIALS) == 0
    assert {row["state"] for row in rows(place)} == {"finished"}
    assert len(rows(place)) == TRIALS


def test_a_trial_that_fails_leaves_the_test_split_alone_unless_it_is_to_be_skipped(place, capsys):
    good, bad = write_trials(place, count=2)
    cell = searched_cell(DATA_SET, MODEL, bad, (OPTION,), test=False)
    for job in place.jobs([cell], [(0, seed) for seed in SEEDS]):
        other = {"command": "another", "versions": {}, "seconds": 1.0}
        run_folder.write_json(other, job.run.folder / run_folder.STARTED)
    assert tune(place, trials=2) == 1
    said = capsys.readouterr()
    assert "trials 1 are not finished, and the test split is left alone" in said.err
    assert "Failed: " in said.out and "holds a run with another command" in said.out
    assert [row["state"] for row in rows(place)] == ["finished", "not finished"]

    chosen = searched_cell(DATA_SET, MODEL, good, (OPTION,), test=True)
    for cell in (chosen, baseline_cell(DATA_SET, MODEL, (OPTION,))):
        write_cell(place, cell, on_both(0.7, 0.4), FINAL_SEEDS)
    assert tune(place, "--skip-failed", trials=2) == 1
    said = capsys.readouterr()
    assert "chosen: trial 0" in said.out and "2 runs failed" in said.err
    assert [row["state"] for row in rows(place)] == ["chosen", "not finished"]


def test_a_trial_that_diverged_is_over_and_not_chosen(place, capsys):
    good, bad = write_trials(place, count=2)
    cell = searched_cell(DATA_SET, MODEL, bad, (OPTION,), test=False)
    for job in place.jobs([cell], [(0, seed) for seed in SEEDS]):
        file = job.run.folder / run_folder.FINISHED
        content = json.loads(file.read_text())
        content["values"]["val"][f"val/{DATA_SET}/{MICRO}"] = "nan"
        file.write_text(json.dumps(content))
    chosen = searched_cell(DATA_SET, MODEL, good, (OPTION,), test=True)
    for cell in (chosen, baseline_cell(DATA_SET, MODEL, (OPTION,))):
        write_cell(place, cell, on_both(0.7, 0.4), FINAL_SEEDS)
    assert tune(place, trials=2) == 0
    assert "chosen: trial 0" in capsys.readouterr().out
    assert [row["state"] for row in rows(place)] == ["chosen", "finished"]


def test_a_final_run_that_diverged_is_named_and_the_search_is_written(place, capsys):
    (good,) = write_trials(place, count=1)
    chosen = searched_cell(DATA_SET, MODEL, good, (OPTION,), test=True)
    for cell in (chosen, baseline_cell(DATA_SET, MODEL, (OPTION,))):
        write_cell(place, cell, on_both(0.7, 0.4), FINAL_SEEDS)
    job = place.jobs([chosen], [(0, FINAL_SEEDS[0])])[0]
    file = job.run.folder / run_folder.FINISHED
    content = json.loads(file.read_text())
    content["values"]["test"][f"test/{DATA_SET}/{MICRO}"] = "nan"
    file.write_text(json.dumps(content))
    assert tune(place, trials=1) == 1
    said = capsys.readouterr()
    assert f"Failed: {job.run.name}: " in said.out and "chosen: trial 0" in said.out


def test_other_yaml_files_make_another_search(place, capsys, monkeypatch):
    write_trials(place)
    assert tune(place, "--search-only") == 0
    monkeypatch.setattr(command, "yaml_hashes", lambda run: {"edited.yaml": "0"})
    assert tune(place, "--search-only") == 1
    assert "YAML files" in capsys.readouterr().err


def test_data_that_is_not_there_is_named_before_anything_runs(place, capsys):
    pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
    assert tune(place, "--search-only") == 1
    said = capsys.readouterr().err
    assert "annotations.train: no such file" in said and said.count("\n") == 1
    assert not list(place.out.rglob("log.txt"))
