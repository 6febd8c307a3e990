"""Search for gamma and zeta: what is drawn, what is kept, and when the test split is read."""

from __future__ import annotations

import csv
import json
import math
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.tune.search import Search
from refnet_mmf.experiments.tune.space import (
    Range,
    Setting,
    Space,
    baseline_cell,
    read_range,
    searched_cell,
)

SPACE = Space(Range(0, 0.3), Range(0, 0.3), per_modality=True)
SHORT = (
    *("training.max_updates=2", "training.batch_size=16", "training.evaluation_interval=2"),
    *("training.checkpoint_interval=2", "scheduler.params.num_warmup_steps=1"),
)
BROKEN = ("--set", "optimizer.params.lr=1e39")
GMU = ("mmimdb", "--model", "gmu")


def quality(setting):
    """A function to be maximised, at gamma 0.1 and zeta 0.2."""
    gammas = list(setting.gamma.values())
    return 1 - sum((g - 0.1) ** 2 for g in gammas) - (setting.zeta - 0.2) ** 2


def search_on(path=None, space=SPACE, seed=0, **identity):
    return Search(path, space, seed, {"metric": "m", **identity})


def draw(search, count):
    for _ in range(count):
        trial = search.begin()
        search.finish(trial, [quality(trial.setting), quality(trial.setting) + 0.1])
    return search


class TestSearch:
    """The trials in the file."""

    def test_settings_lie_in_their_ranges_and_come_near_to_the_best(self):
        search = draw(search_on(), 40)
        assert len(search.trials) == 40
        for trial in search.trials:
            weights = [*trial.setting.gamma.values(), trial.setting.zeta]
            assert all(0 <= weight <= 0.3 and weight == round(weight, 4) for weight in weights)
        first = max(quality(t.setting) for t in search.trials[:10])
        assert quality(search.choose().setting) > first
        assert search.choose().mean == max(trial.mean for trial in search.trials)

    def test_one_gamma_for_both_and_a_value_that_is_fixed(self):
        search = draw(search_on(space=Space(Range(0, 0.3), Range(0.1, 0.1), False)), 5)
        settings = [trial.setting for trial in search.trials]
        assert all(s.gamma["text"] == s.gamma["image"] and s.zeta == 0.1 for s in settings)
        assert len({s.gamma["text"] for s in settings}) == 5

    def test_a_search_that_was_cut_off_draws_what_it_would_have_drawn(self, tmp_path):
        whole = draw(search_on(), 14)
        path = tmp_path / "search.db"
        draw(search_on(path), 12)
        begun = search_on(path).begin()
        again = search_on(path)
        (waiting,) = [trial for trial in again.trials if not trial.values]
        assert waiting == begun
        again.finish(waiting, [quality(waiting.setting), quality(waiting.setting) + 0.1])
        draw(again, 1)
        assert search_on(path).trials == again.trials == whole.trials

    def test_the_choice_is_made_once(self, tmp_path):
        path = tmp_path / "search.db"
        search = search_on(path)
        with pytest.raises(GridError, match="no trial is finished"):
            search.choose()
        chosen = draw(search, 3).choose()
        better = search.begin()
        search.finish(better, [9.0])
        assert search_on(path).choose() == chosen
        assert search_on(path).chosen == chosen.number

    @pytest.mark.parametrize("name", ["a?b.db", "a{b}.db", "a%3Fb.db", "a #ü.db"])
    def test_any_name_is_that_of_its_file(self, tmp_path, name):
        path = tmp_path / name
        trials = draw(search_on(path), 2).trials
        assert search_on(path).trials == trials
        assert [file.name for file in tmp_path.iterdir()] == [name]

    def test_a_choice_that_is_no_trial_is_refused(self, tmp_path):
        path = tmp_path / "search.db"
        draw(search_on(path), 1)._study.set_user_attr("chosen", 7)
        with pytest.raises(GridError, match="search.db: damaged: it has chosen trial 7"):
            search_on(path).choose()

    def test_a_trial_whose_metric_is_no_number_is_over_and_never_chosen(self, tmp_path):
        search = search_on(tmp_path / "search.db")
        for values in ([math.nan, 0.9], [0.2, 0.3], [math.nan]):
            search.finish(search.begin(), values)
        assert len({str(trial.setting) for trial in search.trials}) == 3
        assert search.choose().number == 1
        again = search_on(tmp_path / "search.db")
        assert len(again.trials) == 3 and again.choose().number == 1

    def test_another_search_is_refused_and_so_is_a_damaged_file(self, tmp_path):
        path = tmp_path / "search.db"
        draw(search_on(path, seeds=[0, 1]), 1)
        with pytest.raises(GridError, match=r"other seeds \(\[0, 1\], now \[0\]\); remove it"):
            search_on(path, seeds=[0])
        path.write_bytes(b"no data base, " * 100)
        with pytest.raises(GridError, match="cannot be read as a search") as raised:
            search_on(path)
        assert "\n" not in str(raised.value)


class TestSpace:
    """Settings and their experiments."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("0:0.3", Range(0, 0.3)), ("0.1", Range(0.1, 0.1)), ("1:2", Range(1, 2))],
    )
    def test_a_range_is_read(self, text, expected):
        assert read_range("--gamma", text) == expected

    @pytest.mark.parametrize("text", ["", "a", "0:", "-1:2", "0.3:0", "0:1:2", "0:inf", "nan"])
    def test_anything_else_is_refused(self, text):
        with pytest.raises(GridError, match="--gamma: expected a range of weights"):
            read_range("--gamma", text)

    def test_the_test_split_is_in_the_final_command_alone(self):
        setting = Setting({"text": 0.1, "image": 0.25}, 0.05)
        searched, final = (
            searched_cell("mmimdb", "gmu", setting, (), test=test) for test in (False, True)
        )
        assert (searched.run_type, final.run_type) == ("train_val", "train_val_test")
        assert searched.overrides == final.overrides
        assert searched.variant == "refnetms" and searched.name != final.name
        assert "model_config.refnet_gmu.refiner.weights.image=0.25" in final.overrides
        assert "model_config.refnet_gmu.metric_loss.weight=0.05" in final.overrides

    def test_without_zeta_there_is_no_metric_loss(self):
        cell = searched_cell("mmimdb", "gmu", Setting({"text": 0, "image": 0}, 0), (), test=True)
        assert cell.variant == "refnet"
        assert not any("metric_loss" in option for option in cell.overrides)

    def test_the_baseline_is_that_of_the_tables_unless_there_are_options(self):
        assert baseline_cell("mmimdb", "gmu", ()).name == "mmimdb-gmu-baseline"
        assert baseline_cell("mmimdb", "gmu", ("a=1",)).name != "mmimdb-gmu-baseline"


def set_options(options):
    return [word for option in options for word in ("--set", option)]


def command(data, out, *options, trials=2):
    return [
        *("tune", "mmimdb", "--model", "gmu", "--trials", str(trials), "--seeds", "1"),
        *("--workers", "1", "--data-dir", str(data), "--out", str(out)),
        *options,
        *set_options(SHORT),
    ]


def stored(out):
    with sqlite3.connect(next((out / "tune").glob("*.db"))) as base:
        return dict(base.execute("select state, count(*) from trials group by state").fetchall())


def evaluated(out):
    """Which splits the runs have evaluated, by the folder of their cell."""
    return {
        path.parents[2].name: set(json.loads(path.read_text()))
        for path in (out / "runs").rglob("evaluations.json")
    }


@pytest.mark.mmf
class TestCommand:
    """Real runs on tiny data."""

    @pytest.mark.slow
    def test_the_test_split_is_evaluated_by_the_choice_and_the_baseline_alone(
        self, movies, tmp_path, capsys
    ):
        pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
        assert main(command(movies, tmp_path, "--search-only")) == 0
        assert "The test split has not been evaluated." in capsys.readouterr().out
        assert list(evaluated(tmp_path).values()) == [{"val"}, {"val"}]
        assert main(command(movies, tmp_path)) == 0
        shown = capsys.readouterr().out
        splits = evaluated(tmp_path)
        assert sorted(splits.values(), key=len) == [{"val"}, {"val"}, *2 * [{"val", "test"}]]
        assert "MINIATURE data" in shown
        folder = tmp_path / "tune"
        with (folder / "tune_mmimdb_gmu_mini.csv").open() as file:
            trials = list(csv.DictReader(file))
        assert len(trials) == 2
        values = {}
        for trial in trials:
            (path,) = (tmp_path / "runs").rglob(
                f"*gamma{trial['gamma text']}-zeta{trial['zeta']}-*-val/*/*/result.json"
            )
            metric = json.loads(path.read_text())["values"]["val"]["val/mmimdb/refnet_micro_f1"]
            values[trial["trial"]] = 100 * metric
            assert trial["refnet_micro_f1 val."] == f"{100 * metric:.2f}"
        (chosen,) = [trial["trial"] for trial in trials if trial["state"] == "chosen"]
        assert values[chosen] == max(values.values())
        with (folder / "tune_mmimdb_gmu_mini_2.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["model"] for row in rows] == ["baseline", "chosen"]
        started = list(tmp_path.rglob("run.json"))
        trained = {(file.parents[2].name.endswith("-val"), file.parent.name) for file in started}
        assert trained == {(True, "seed-0"), (False, "seed-1")}
        (final,) = (name for name, seen in splits.items() if len(seen) == 2 and "gamma" in name)
        (path,) = (tmp_path / "runs" / "mini" / final).rglob("result.json")
        metric = json.loads(path.read_text())["values"]["test"]["test/mmimdb/refnet_micro_f1"]
        assert rows[1]["refnet_micro_f1 test"] == f"{100 * metric:.2f}"
        assert np.isfinite(float(rows[0]["refnet_macro_f1 test"]))

        assert main(command(movies, tmp_path)) == 0
        assert capsys.readouterr().out.splitlines()[-20:] == shown.splitlines()[-20:]
        assert main(command(movies, tmp_path, trials=3)) == 1
        assert "has ended with 2 trials: the test split has been seen" in capsys.readouterr().err

    @pytest.mark.slow
    def test_a_search_that_is_killed_goes_on_where_it_was(self, movies, tmp_path):
        pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
        words = command(movies, tmp_path, "--search-only", trials=3)
        process = subprocess.Popen(
            [sys.executable, "-m", "refnet_mmf.cli", *words],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len(list((tmp_path / "runs").rglob("log.txt"))) < 2:
            time.sleep(0.05)
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert stored(tmp_path) == {"COMPLETE": 1, "RUNNING": 1}
        (done,) = (tmp_path / "runs").rglob("result.json")
        log = (done.parent / "log.txt").read_bytes()
        assert main(words) == 0
        assert stored(tmp_path) == {"COMPLETE": 3}
        assert (done.parent / "log.txt").read_bytes() == log

    @pytest.mark.slow
    def test_what_fails_leaves_the_test_split_alone(self, movies, tmp_path, capsys):
        pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
        assert main([*command(movies, tmp_path, trials=2), *BROKEN]) == 1
        said = capsys.readouterr()
        assert "trials 0, 1 are not finished, and the test split is left alone" in said.err
        assert "its log: " in said.out
        assert "test" not in {split for splits in evaluated(tmp_path).values() for split in splits}
        broken = [*command(movies, tmp_path, "--skip-failed"), *BROKEN]
        assert main(broken) == 1
        assert "no trial is finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["imdb", "--model", "gmu"], "DATASET: unknown data set 'imdb'; did you mean 'mmimdb'?"),
        (["mmimdb", "--model", "gnu"], "--model: unknown model 'gnu'; did you mean 'gmu'?"),
        ([*GMU, "--metric", "refnet_f1"], "--metric: unknown metric"),
        ([*GMU, "--gamma", "0.3:0"], "--gamma: expected a range of weights"),
        ([*GMU, "--trials", "0"], "--trials: expected a number above 0"),
        ([*GMU, "--set", "lr"], "--set: expected KEY=VALUE, got 'lr'"),
        ([*GMU, "--set", "run_type=test"], "--set: run_type is set by the search"),
        (
            [*GMU, "--set", "model_config.refnet_gmu.metric_loss.weight=1"],
            "--set: model_config.refnet_gmu.metric_loss.weight is set by the search",
        ),
    ],
)
def test_what_is_wrong_ends_in_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["tune", *words]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_in_one_line(capsys, tmp_path):
    """A file that can't grow: what is in it stays readable."""
    words = ["tune", *GMU, "--data-dir", str(tmp_path), "--out", str(tmp_path), "--seeds", "1"]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        assert main(words) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    said = capsys.readouterr().err
    assert said.startswith("refnet tune: ") and len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [["--trials", "many"], ["--no-such-option"], []])
def test_options_that_cannot_be_read_end_in_one_line(words, capsys):
    with pytest.raises(SystemExit):
        main(["tune", "mmimdb", *words])
    said = capsys.readouterr().err
    assert said.startswith("refnet") and len(said.strip().splitlines()) == 1


def test_a_dry_run_prints_commands_and_makes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "hateful_memes", "--model", "mmbt", "--seeds", "1", "--dry-run"]
    assert main([*words, "--parallel", "3"]) == 0
    data, *lines = capsys.readouterr().out.splitlines()
    assert data.startswith("refnet data make hateful_memes --size mini --seed 0 --out ")
    assert [line.split("run_type=")[1].split()[0] for line in lines] == [
        *3 * ["train_val"],
        "train_val_test",
    ]
    assert not list(tmp_path.iterdir())
