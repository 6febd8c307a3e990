"""Figures that are drawn from runs: real ones on tiny data, and what is wrong in one line."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")

from refnet_mmf.cli import main
from refnet_mmf.experiments.experiment_names import METRICS, NAMES
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.run_figures import embedding_map, gamma_sweep, label_efficiency
from refnet_mmf.experiments.run_figures.choices import DATA_SETS
from refnet_mmf.experiments.run_figures.figure_runs import FigureRuns
from refnet_mmf.experiments.run_figures.measures import columns_of
from refnet_mmf.experiments.tables.paper_tables import TABLES, gamma_cell, label_cell
from refnet_mmf.experiments.tables.retrieval_tables import retrieval_tables
from refnet_mmf.paths import MANIFEST

mmf = pytest.mark.mmf
TINY = (
    *("training.max_updates=4", "training.batch_size=8", "training.evaluation_interval=2"),
    *("training.checkpoint_interval=2", "scheduler.params.num_warmup_steps=1"),
    "training.log_interval=1",
)
FIGURES = ("4", "5", "7", "10")
CHOICE = ("--data-set", "hateful_memes", "--model", "gmu")
OPTIONS = {
    "4": ("--gammas", "0.3", "--seeds", "2"),
    "5": ("--seeds", "1", "--samples", "8"),
    "7": ("--labels", "50,100", "--seeds", "1"),
    "10": ("--labels", "100", "--seeds", "2"),
}
WHERE = "data-{}/seed-{}"


def figure(*words: object) -> int:
    try:
        return main(["figure", *map(str, words)])
    except SystemExit as end:
        return int(end.code)


def lines_of(path):
    lines = path.read_text().splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    return comments, list(csv.DictReader(line for line in lines if not line.startswith("# ")))


@pytest.fixture(scope="module")
def drawn(memes, tmp_path_factory):
    """Draw a figure on tiny memes; all share a folder, and so their runs."""
    out = tmp_path_factory.mktemp("figures")

    def draw(name, *words):
        code = figure(
            name, "--out", out, "--data-dir", memes, *CHOICE, *OPTIONS[name], *words, *TINY
        )
        return code, out, out / f"figures/figure_{name}_hateful_memes_gmu_mini"

    return draw


def run_folder(out, name, seed=0):
    return out / "runs/mini" / f"hateful_memes-gmu-{name}" / WHERE.format(0, seed)


def evaluated(out, name, seed, metric, split="test"):
    values = json.loads((run_folder(out, name, seed) / "evaluations.json").read_text())
    return 100 * values[split][f"{split}/hateful_memes/{metric}"]


def logs(out):
    return {path: path.read_bytes() for path in sorted((out / "runs").rglob("log.txt"))}


def test_other_figures_share_their_runs_with_the_tables():
    for data_set, name in (("hateful_memes", "4"), ("mmimdb", "6")):
        cells = [
            label_cell(data_set, model, variant, percent)
            for model in ("vilbert", "mmbt")
            for variant in ("baseline", "refnet", "refnetms")
            for percent in (5.0, 10.0, 20.0)
        ]
        assert set(cells) == set(TABLES[name]().cells)
        assert label_cell(data_set, "mmbt", "refnet", 100.0) in TABLES["3"]().cells
        for gamma in (0.0, 0.1):
            assert gamma_cell(data_set, "mmbt", gamma) in TABLES["3"]().cells
    for gamma in (0.0, 0.1):
        assert gamma_cell("mmimdb", "gmu", gamma) in TABLES["2"]().cells
    for part in retrieval_tables("1"):
        assert {gamma_cell("mmimdb", "mmbt", gamma) for gamma in (0.0, 0.2)} <= set(part.cells)


def test_parts_of_the_labels_that_no_table_has_have_folders_of_their_own():
    cell = label_cell("mmimdb", "gmu", "refnet", 2.5)
    assert cell.name == "mmimdb-gmu-refnet-labels2.5"
    assert cell.overrides == ("refnet.labels.fraction=0.025",)
    assert label_cell("mmimdb", "gmu", "refnet", 7).overrides == ("refnet.labels.fraction=0.07",)


def test_each_seed_draws_its_own_part_of_the_labels_the_same_for_every_method():
    for variant in ("baseline", "refnet", "refnetms"):
        for seed in (0, 3):
            run = label_cell("mmimdb", "gmu", variant, 5).run("mini", Path("d"), seed, Path("r"))
            assert {f"training.seed={seed}", f"refnet.labels.seed={seed}"} < set(run.options)
    everything = label_cell("mmimdb", "gmu", "refnet", 100).run("mini", Path("d"), 3, Path("r"))
    assert not any("labels" in option for option in everything.options)
    pairing = TABLES["a5"]().cells[0].run("mini", Path("d"), 3, Path("r"))
    assert "refnet.labels.seed=3" in pairing.options
    of_the_user = Cell("mmimdb", "gmu", "refnet", ("refnet.labels.fraction=0.05",))
    assert "refnet.labels.seed=3" in of_the_user.run("mini", Path("d"), 3, Path("r")).options
    one_part = replace(of_the_user, overrides=(*of_the_user.overrides, "refnet.labels.seed=7"))
    assert "refnet.labels.seed=3" not in one_part.run("mini", Path("d"), 3, Path("r")).options


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_every_model_of_every_data_set_has_its_yaml_at_both_scales(data_set):
    for model in NAMES:
        for variant in ("baseline", "refnet", "refnetms"):
            for scale in ("mini", "paper"):
                assert label_cell(data_set, model, variant, 100).config(scale).is_file()


@mmf
@pytest.mark.slow
def test_the_sweep_is_the_runs_change_to_gamma_0(drawn, capsys):
    code, out, stem = drawn("4")
    assert code == 0
    said = capsys.readouterr().out
    _, rows = lines_of(stem.with_suffix(".csv"))
    assert len(rows) == 2 * 2 * 2  # metrics, splits, gammas
    for row in rows:
        metric = METRICS["hateful_memes"][row["metric"]]
        name = "baseline" if row["gamma"] == "0" else "refnet-gamma0.3"
        own = [evaluated(out, name, seed, metric, row["split"]) for seed in (0, 1)]
        before = [evaluated(out, "baseline", seed, metric, row["split"]) for seed in (0, 1)]
        change = [100 * (a - b) / b for a, b in zip(own, before, strict=True)]
        assert row["runs"] == row["pairs"] == "2"
        assert float(row["mean"]) == pytest.approx(np.mean(own), rel=1e-5)
        assert float(row["std"]) == pytest.approx(np.std(own, ddof=1), rel=1e-4, abs=1e-6)
        assert float(row["relative_change_mean"]) == pytest.approx(np.mean(change), abs=1e-4)
        assert float(row["relative_change_std"]) == pytest.approx(np.std(change, ddof=1), abs=1e-3)
    config = (run_folder(out, "refnet-gamma0.3") / "config.yaml").read_text()
    assert re.search(r"weights:\s+text: 0.3\s+image: 0.3", config)
    assert "The gamma with the best validation score: Hateful Memes, GMU: 0" in said


@mmf
@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.slow
def test_a_figure_is_three_files_that_say_miniature_and_no_run_is_done_twice(name, drawn, capsys):
    code, out, stem = drawn(name)
    assert code == 0
    first = [stem.with_suffix(suffix).read_bytes() for suffix in (".svg", ".png", ".csv")]
    before = logs(out)
    capsys.readouterr()
    assert drawn(name)[0] == 0
    assert "MINIATURE data" in capsys.readouterr().out
    assert logs(out) == before
    assert [stem.with_suffix(suffix).read_bytes() for suffix in (".svg", ".png", ".csv")] == first
    svg, comments = stem.with_suffix(".svg").read_text(), lines_of(stem.with_suffix(".csv"))[0]
    described = Image.open(stem.with_suffix(".png")).text["Description"]
    assert svg.count("MINIATURE data") >= 2  # in the picture, and in what describes it
    for text in ("\n".join(comments), svg, described):
        assert "MINIATURE data" in text
        assert f"Command: refnet figure {name} --data-dir" in text
        assert all(word in text for word in (*OPTIONS[name], *TINY, "torch", "scikit-learn"))
    assert "--out" not in "".join(comments)


@mmf
@pytest.mark.slow
def test_label_efficiency_shows_the_scores_of_the_runs(drawn):
    code, out, stem = drawn("7")
    assert code == 0
    _, rows = lines_of(stem.with_suffix(".csv"))
    assert len(rows) == 2 * 2 * 3 * 2  # metrics, splits, methods, parts
    names = {"GMU": "baseline", "ReFNet-GMU": "refnet", "ReFNetMS-GMU": "refnetms"}
    for row in rows:
        part = "" if row["labels_percent"] == "100" else "-labels50"
        metric = METRICS["hateful_memes"][row["metric"]]
        own, before = (
            evaluated(out, f"{name}{part}", 0, metric, row["split"])
            for name in (names[row["method"]], "baseline")
        )
        assert float(row["mean"]) == pytest.approx(own, rel=1e-5)
        assert float(row["difference_to_baseline"]) == pytest.approx(own - before, abs=1e-4)
    config = (run_folder(out, "refnetms-labels50") / "config.yaml").read_text()
    assert "fraction: 0.5" in config


@mmf
@pytest.mark.slow
def test_loss_curves_are_those_of_the_logs(drawn):
    code, out, stem = drawn("10")
    assert code == 0
    _, rows = lines_of(stem.with_suffix(".csv"))
    losses = {(row["method"], row["loss"]) for row in rows}
    ours = {"refiner, text", "refiner, image"}
    assert {loss for method, loss in losses if method == "GMU"} == {"total", "classification"}
    assert {loss for method, loss in losses if method == "ReFNetMS-GMU"} == {
        *("total", "classification", "multi-similarity"),
        *ours,
    }
    for name, loss, key in (
        ("baseline", "classification", "cross_entropy"),
        ("refnet", "refiner, image", "refiner_image_unweighted"),
        ("refnetms", "multi-similarity", "metric_loss_unweighted"),
    ):
        method = {"baseline": "GMU", "refnet": "ReFNet-GMU", "refnetms": "ReFNetMS-GMU"}[name]
        shown = [row for row in rows if (row["method"], row["loss"]) == (method, loss)]
        assert [row["update"] for row in shown] == ["1", "2", "3", "4"]
        logged = [
            re.findall(
                rf"train/hateful_memes/{key}: ([\d.]+)",
                (run_folder(out, name, seed) / "log.txt").read_text(),
            )
            for seed in (0, 1)
        ]
        means = np.array(logged, dtype=float).mean(axis=0)
        np.testing.assert_allclose([float(row["mean"]) for row in shown], means, rtol=1e-4)


@mmf
@pytest.mark.slow
def test_embeddings_are_kept_in_the_run_s_folder_as_long_as_they_are_of_its_checkpoint(
    drawn, capsys
):
    code, out, stem = drawn("5")
    assert code == 0
    comments, rows = lines_of(stem.with_suffix(".csv"))
    views = {(row["view"], row["method"], row["modality"]) for row in rows}
    assert len(views) == 3 * (1 + 2 + 2)  # methods; fused, each modality alone in two forms
    assert {row["class"] for row in rows} == {"hateful", "not hateful"}
    points = [row for row in rows if row["view"] == "fused embedding"]
    ids = [row["id"] for row in points if row["method"] == "GMU"]
    assert len(ids) == len(set(ids)) == 8
    assert ids == [row["id"] for row in points if row["method"] == "ReFNetMS-GMU"]
    said = capsys.readouterr().out
    table = said[said.index("Figure 5.") : said.index("MINIATURE")].split("\n\n")[1].splitlines()
    assert all(f"# {line}" in comments for line in table)
    file = run_folder(out, "refnet") / "test.npz"
    before = file.stat().st_mtime_ns
    assert drawn("5")[0] == 0
    assert file.stat().st_mtime_ns == before
    arrays = dict(np.load(file))
    about = {**json.loads(str(arrays["about"])), "checkpoint_sha256": "another"}
    fused = arrays["fused"].copy()
    np.savez(file, **{**arrays, "about": np.array(json.dumps(about)), "fused": fused + 1})
    assert drawn("5")[0] == 0
    np.testing.assert_array_equal(np.load(file)["fused"], fused)


@mmf
@pytest.mark.slow
def test_a_run_that_fails_is_told_and_the_rest_is_drawn(drawn, capsys):
    _, out, stem = drawn("4")
    started = run_folder(out, "refnet-gamma0.3", 1) / "run.json"
    content = started.read_text()
    started.write_text(content.replace('"refnet_mmf": "', '"refnet_mmf": "9'))
    try:
        capsys.readouterr()
        assert drawn("4")[0] == 1
        said = capsys.readouterr()
    finally:
        started.write_text(content)
    assert "refnet figure 4: 1 run failed" in said.err
    assert "Failed: hateful_memes-gmu-refnet-gamma0.3, seed 1: " in said.out
    _, rows = lines_of(stem.with_suffix(".csv"))
    assert {row["runs"] for row in rows if row["gamma"] == "0.3"} == {"1"}
    assert {row["runs"] for row in rows if row["gamma"] == "0"} == {"2"}


@mmf
@pytest.mark.slow
def test_a_sweep_without_gamma_0_has_nothing_to_show(drawn, capsys):
    drawn("4")
    capsys.readouterr()
    assert drawn("4", "--only", "gamma0.3")[0] == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(
        "figure 4: no run with gamma 0 is finished: there is nothing to compare with"
    )


@mmf
@pytest.mark.slow
def test_a_figure_that_is_killed_goes_on_where_it_was(memes, tmp_path, drawn):
    words = ("4", "--data-dir", memes, *CHOICE, "--gammas", "0.3", "--seeds", "2", *TINY)
    command = [sys.executable, "-m", "refnet_mmf.cli", "figure", *words, "--out", tmp_path]
    process = subprocess.Popen(
        list(map(str, command)),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    done = run_folder(tmp_path, "baseline") / "result.json"
    while not done.exists():
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = done.stat().st_mtime_ns
    assert figure(*words, "--out", tmp_path) == 0
    assert done.stat().st_mtime_ns == before
    whole = drawn("4")[2].with_suffix(".csv")
    resumed = tmp_path / "figures" / whole.name
    assert lines_of(resumed)[1] == lines_of(whole)[1]


def results_of(cells, draw):
    """Give each job of cells a value in 0..1 for each metric of each split."""
    data = {(cell.data_set, d): Path("data") for cell in cells for d in (0, 1)}
    results = {}
    for job in jobs_of(cells, "mini", data, (0, 1, 2), Path("out")):
        values = {
            split: {
                f"{split}/{c.data_set}/{c.metric}": draw()
                for c in columns_of(job.cell.data_set, (split,))
            }
            for split in ("val", "test")
        }
        results[job] = Result(1.0, values)
    return results


def test_changes_are_paired_over_seeds_and_a_baseline_of_nothing_has_none():
    gammas = [0.0, 0.1, 0.2]
    cells = [gamma_cell("mmimdb", "gmu", gamma) for gamma in gammas]
    results = results_of(cells, np.random.default_rng(0).random)
    column = columns_of("mmimdb")[1]
    nothing = next(job for job in results if job.cell == cells[0])
    results[nothing].values["test"][f"test/mmimdb/{column.metric}"] = 0.0
    lost = next(job for job in results if job.cell == cells[2] and job.seed == 2)
    del results[lost]
    runs = FigureRuns(results, (), (), 0, True)
    first, second, third = gamma_sweep.sweep(runs, column, "gmu", gammas)
    assert (first.score.count, second.score.count, third.score.count) == (6, 6, 5)
    assert (first.change.count, second.change.count, third.change.count) == (5, 5, 4)
    assert first.change.mean == first.change.std == 0
    own, before = (
        {
            (job.data_seed, job.seed): result.value("test", "mmimdb", column.metric)
            for job, result in results.items()
            if job.cell == cell
        }
        for cell in (cells[1], cells[0])
    )
    changes = [100 * (own[key] / before[key] - 1) for key in own if before[key] > 0]
    assert second.change.mean == pytest.approx(np.mean(changes))
    assert second.change.std == pytest.approx(np.std(changes, ddof=1))
    assert second.score.mean == pytest.approx(100 * np.mean(list(own.values())))


def test_runs_with_further_options_are_found_by_the_cell_that_was_asked_for():
    cell = label_cell("mmimdb", "gmu", "baseline", 100)
    overrides = ("training.max_updates=4",)
    results = results_of([replace(cell, overrides=overrides)], lambda: 0.5)
    runs = FigureRuns(results, overrides, (), 0, True)
    column = columns_of("mmimdb")[0]
    assert len(runs.jobs(cell)) == len(runs.scores(cell, column)) == 6
    assert set(runs.scores(cell, column).values()) == {50}
    assert not FigureRuns(results, (), (), 0, True).scores(cell, column)


def test_a_line_of_label_efficiency_leaves_out_what_has_no_run():
    there = label_cell("mmimdb", "gmu", "refnet", 20)
    runs = FigureRuns(results_of([there], lambda: 0.5), (), (), 0, True)
    lines = label_efficiency._lines(runs, columns_of("mmimdb")[0], "gmu", (5, 20, 100))
    assert lines == {"ReFNet-GMU": ([20], [50], [0])}


def clouds(separation):
    """Two classes in two modalities: four groups on axes of their own, at a distance."""
    random = np.random.default_rng(0)
    classes, modalities = np.repeat([0, 1, 0, 1], 20), np.repeat([0, 0, 1, 1], 20)
    points = random.normal(size=(80, 8)).astype(np.float32)
    points[np.arange(80), 2 * modalities + classes] += separation
    return embedding_map.Cloud(np.arange(80), points, classes, modalities)


def test_the_numbers_tell_groups_that_stand_apart_from_those_that_do_not():
    by_class, by_modality, by_both, near = embedding_map.measures(clouds(30))
    assert by_both > 0.8 > max(by_class, by_modality)
    assert near == 100
    mixed = embedding_map.measures(clouds(0))
    assert all(abs(value) < 0.15 for value in mixed[:3])
    assert 30 < mixed[3] < 70
    one = replace(clouds(30), modalities=np.full(80, -1))
    assert list(map(math.isnan, embedding_map.measures(one))) == [False, True, True, False]
    same = replace(clouds(30), classes=np.zeros(80, int))
    assert math.isnan(embedding_map.measures(same)[0])


def test_neighbours_are_the_nearest_by_cosine_but_not_oneself():
    found = clouds(1)
    distances = cdist(found.points, found.points, "cosine")
    np.fill_diagonal(distances, np.inf)
    near = np.argsort(distances, axis=1)[:, : embedding_map.NEIGHBOURS]
    expected = (found.classes[near] == found.classes[:, None]).mean()
    assert embedding_map.neighbours_of_class(found) == pytest.approx(expected)
    same = [found.classes[i] == found.classes[j] for i in range(80) for j in range(80) if i != j]
    assert embedding_map.chance_of_class(found.classes) == pytest.approx(np.mean(same))
    one = embedding_map.Cloud(*(each[:1] for each in vars(found).values()))
    assert math.isnan(embedding_map.neighbours_of_class(one))
    np.fill_diagonal(distances[40:], np.inf)
    np.fill_diagonal(distances[:, 40:], np.inf)
    near = np.argsort(distances, axis=1)[:, : embedding_map.NEIGHBOURS]
    expected = (found.classes[near] == found.classes[:, None]).mean()
    twins = replace(found, ids=np.tile(np.arange(40), 2))
    assert embedding_map.neighbours_of_class(twins) == pytest.approx(expected)


def test_the_plane_keeps_groups_apart_and_is_the_same_again():
    found = clouds(30)
    plane = embedding_map.to_plane(found.points)
    np.testing.assert_array_equal(plane, embedding_map.to_plane(found.points))
    groups = 2 * found.modalities + found.classes
    distances = cdist(plane, plane)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).all()
    with pytest.raises(ValueError, match="at least 3 points, got 2"):
        embedding_map.to_plane(found.points[:2])


@pytest.mark.parametrize("data_set", embedding_map.ONE_CLASS)
def test_classes_have_the_names_of_their_indices(data_set):
    names = embedding_map.class_names(data_set)
    assert (
        names
        == {
            "hateful_memes": ("not hateful", "hateful"),
            "visual_entailment": ("entailment", "neutral", "contradiction"),
        }[data_set]
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["4", "--gammas", "0,x"], "--gammas: expected numbers separated by commas, as in 0,0.1,0"),
        (["4", "--gammas", ""], "--gammas: expected numbers separated by commas"),
        (["4", "--gammas", "0.1,-0.2"], "--gammas: expected at least 0, got -0.2"),
        (["4", "--gammas", "nan"], "--gammas: expected a finite number, got nan"),
        (["4", "--model", "gmu,bmbt"], "--model: unknown model 'bmbt'; did you mean 'mmbt'? (val"),
        (["4", "--data-set", "imdb"], "--data-set: unknown data set 'imdb'; did you mean 'mmimdb'"),
        (["4", "--seeds", "many"], "--seeds: expected a number, or several as in 0,1,5, got 'man"),
        (["4", "--scale", "paper"], "--data-dir: is missing; --scale paper needs the folder"),
        (["4", "--data-dir", "nowhere"], "--data-dir: no such folder: nowhere"),
        (["4", "max_updates"], "'max_updates': expected an option of the runs, KEY=VALUE"),
        (["4", "training.seed=7"], "training.seed: is set by the figure, and can't be an option"),
        (["5", "env.save_dir=x", "--dry-run"], "env.save_dir: is set by the figure"),
        (["7", "refnet.labels.fraction=0.5"], "refnet.labels.fraction: is set by the figure"),
        (["7", "refnet.labels={fraction: 1}"], "refnet.labels: is set by the figure"),
        (
            ["4", "model_config.refnet_gmu.refiner.weights.text=1", "--model", "gmu"],
            "refiner.weights.text: is set by the figure",
        ),
        (["7", "--only", ""], "--only: expected a part of a cell's name, got ''"),
        (
            ["4", "--gama", "1"],
            "unknown option '--gama'; did you mean --gammas? (valid: --data-dir",
        ),
        (["4", "--only", "x", "--dry-run"], "--only: unknown part of a cell's name 'x'"),
        (
            ["5", "--data-set", "mmimdb"],
            "unknown data set with one class a sample 'mmimdb' (valid:",
        ),
        (["5", "--samples", "0"], "--samples: expected a whole number from 1, got '0'"),
        (["7", "--labels", "0,5"], "--labels: expected more than 0, got 0.0"),
        (["7", "--labels", "120"], "--labels: expected at most 100, got 120"),
        (["7", "--model", "gmu,mmbt"], "--model: unknown model 'gmu,mmbt'"),
        (["10", "--labels", "all"], "--labels: expected numbers separated by commas"),
        (["6"], "FIGURE: unknown figure '6' (valid: 4, 5, 7, 8, 9, 10)"),
    ],
)
def test_bad_words_end_in_one_line(words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert figure(*words) != 0
    heard = capsys.readouterr()
    assert said in heard.err and heard.out == ""
    assert heard.err.count("\n") == 1 and heard.err.startswith("refnet figure")
    assert not list(tmp_path.iterdir())


@mmf
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "defaults/annotations"),
        (("training.max_update=3",), "unknown option 'max_update'; did you mean 'max_updates'?"),
    ],
)
def test_data_that_is_missing_and_options_that_are_none_are_told_before_any_run(
    words, said, memes, tmp_path, capsys
):
    (tmp_path / "empty").mkdir()
    shutil.copy(memes / MANIFEST, tmp_path / "empty")
    data = memes if words else tmp_path / "empty"
    out = tmp_path / "out"
    assert figure("4", "--out", out, "--data-dir", data, *CHOICE, *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("refnet figure 4: ") and said in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["4", *CHOICE], 5 * 3),
        (["4", "--model", "gmu", "--gammas", "0.1"], 2 * 2 * 3),
        (["5", "--seeds", "0,7"], 3 * 2),
        (["7", "--only", "mmimdb"], 4 * 3 * 3),
        (["10", "--seeds", "1"], 3 * 3),
    ],
)
def test_a_dry_run_prints_the_commands_and_makes_nothing(
    words, runs, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert figure(*words, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    data = [line for line in lines if line.startswith("refnet data make ")]
    assert data == lines[: len(data)] and data
    lines = lines[len(data) :]
    assert len(lines) == len(set(lines)) == runs
    assert all(
        line.startswith("OMP_NUM_THREADS=1 mmf_run env.user_dir=refnet_mmf config=")
        for line in lines
    )
    assert not list(tmp_path.iterdir())
