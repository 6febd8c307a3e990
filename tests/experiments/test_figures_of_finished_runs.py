"""Figures 4, 5, 7, 10 of runs that are finished: each number is that of the runs' files."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments.experiment_names import METRICS
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import Cell
from refnet_mmf.experiments.tables.paper_tables import gamma_cell, label_cell
from refnet_mmf.plugin.embedding_set import EmbeddingSet
from tests.experiments.finished_runs import write_finished, write_log, write_test_embeddings

DATA_SET, MODEL = "hateful_memes", "gmu"
SEEDS = (0, 1, 2)
GAMMAS = (0.0, 0.1, 0.3)
PERCENTS = (5.0, 100.0)
VARIANTS = ("baseline", "refnet", "refnetms")
TITLES = {"baseline": "GMU", "refnet": "ReFNet-GMU", "refnetms": "ReFNetMS-GMU"}


def draw(place, name, *words):
    """Draw a figure; return its rows, and its comments."""
    options = ["--out", place.out, "--data-dir", place.data_dir, "--model", MODEL]
    options += ["--data-set", DATA_SET, "--seeds", len(SEEDS), *words]
    assert main(["figure", name, *map(str, options)]) == 0
    file = place.out / f"figures/figure_{name}_{DATA_SET}_{MODEL}_mini.csv"
    assert file.with_suffix(".svg").is_file() and file.with_suffix(".png").is_file()
    lines = file.read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    return list(csv.DictReader(line for line in lines if line not in comments)), comments


def write_runs(place, cells):
    """Finish each cell with random values; return them by cell, split and metric, over seeds."""
    random = np.random.default_rng(0)
    scores = {}
    for cell in cells:
        for job in place.jobs([cell], [(0, seed) for seed in SEEDS]):
            values = {
                split: {
                    metric: 0.5 + 0.1 * random.random() for metric in METRICS[DATA_SET].values()
                }
                for split in ("val", "test")
            }
            write_finished(job, values)
            for split, of in values.items():
                for metric, value in of.items():
                    scores.setdefault((cell.name, split, metric), []).append(100 * value)
    return scores


def test_the_sweep_is_the_change_to_gamma_0(place, capsys):
    cells = {gamma: gamma_cell(DATA_SET, MODEL, gamma) for gamma in GAMMAS}
    scores = write_runs(place, cells.values())
    rows, comments = draw(place, "4", "--gammas", "0.1,0.3")
    assert len(rows) == len(GAMMAS) * 2 * 2
    for row in rows:
        key = row["split"], METRICS[DATA_SET][row["metric"]]
        own = np.array(scores[(cells[float(row["gamma"])].name, *key)])
        before = np.array(scores[(cells[0.0].name, *key)])
        change = 100 * (own / before - 1)
        assert float(row["mean"]) == pytest.approx(own.mean(), rel=1e-5)
        assert float(row["std"]) == pytest.approx(own.std(ddof=1), rel=1e-4)
        assert float(row["relative_change_mean"]) == pytest.approx(change.mean(), abs=1e-4)
        assert float(row["relative_change_std"]) == pytest.approx(change.std(ddof=1), abs=1e-3)
        assert (row["runs"], row["pairs"]) == ("3", "3")
    assert any("MINIATURE" in comment for comment in comments)
    first = next(iter(METRICS[DATA_SET].values()))
    best = max(GAMMAS, key=lambda gamma: np.mean(scores[cells[gamma].name, "val", first]))
    chosen = "The gamma with the best validation score: Hateful Memes, GMU: "
    assert f"{chosen}{best:g}" in capsys.readouterr().out


def test_label_efficiency_is_scores_and_paired_differences(place, capsys):
    cells = {
        (variant, percent): label_cell(DATA_SET, MODEL, variant, percent)
        for variant in VARIANTS
        for percent in PERCENTS
    }
    scores = write_runs(place, cells.values())
    rows, _ = draw(place, "7", "--labels", "5,100")
    assert len(rows) == len(VARIANTS) * len(PERCENTS) * 2 * 2
    by_title = {title: variant for variant, title in TITLES.items()}
    for row in rows:
        variant, percent = by_title[row["method"]], float(row["labels_percent"])
        key = row["split"], METRICS[DATA_SET][row["metric"]]
        own = np.array(scores[(cells[variant, percent].name, *key)])
        before = np.array(scores[(cells["baseline", percent].name, *key)])
        assert float(row["mean"]) == pytest.approx(own.mean(), rel=1e-5)
        assert float(row["difference_to_baseline"]) == pytest.approx(
            (own - before).mean(), abs=1e-4
        )
        assert row["pairs"] == "3"
    assert "16 comparisons" in capsys.readouterr().out


def test_a_run_that_diverged_is_named_and_means_are_of_the_seeds_that_all_have(place, capsys):
    cells = [label_cell(DATA_SET, MODEL, variant, 100) for variant in VARIANTS]
    scores = write_runs(place, cells)
    (lost,) = place.jobs([cells[1]], [(0, SEEDS[0])])
    file = lost.run.folder / run_folder.FINISHED
    metric = next(iter(METRICS[DATA_SET].values()))
    content = json.loads(file.read_text())
    content["values"]["test"][f"test/{DATA_SET}/{metric}"] = "nan"
    file.write_text(json.dumps(content))
    options = ["--out", place.out, "--data-dir", place.data_dir, "--model", MODEL, "--labels", 100]
    options += ["--data-set", DATA_SET, "--seeds", len(SEEDS)]
    assert main(["figure", "7", *map(str, options)]) == 1
    assert f"Failed: {lost.run.name}: " in capsys.readouterr().out
    text = (place.out / f"figures/figure_7_{DATA_SET}_{MODEL}_mini.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    for row in rows:
        variant = next(v for v, title in TITLES.items() if title == row["method"])
        own = scores[
            label_cell(DATA_SET, MODEL, variant, 100).name,
            row["split"],
            METRICS[DATA_SET][row["metric"]],
        ]
        assert row["runs"] == "2"
        assert float(row["mean"]) == pytest.approx(np.mean(own[1:]), rel=1e-5)


def test_loss_curves_are_those_of_the_logs(place):
    added = {
        "baseline": {},
        "refnet": {"refiner_text_unweighted": 0.5, "refiner_image_unweighted": 0.25},
        "refnetms": {
            "refiner_text_unweighted": 0.4,
            "refiner_image_unweighted": 0.2,
            "metric_loss_unweighted": 3.0,
        },
    }
    for variant, terms in added.items():
        cell = label_cell(DATA_SET, MODEL, variant, 100)
        for job in place.jobs([cell], [(0, seed) for seed in SEEDS]):
            write_finished(job, {"test": dict.fromkeys(METRICS[DATA_SET].values(), 0.5)})
            values = {f"train/{DATA_SET}/{name}": value for name, value in terms.items()}
            values[f"train/{DATA_SET}/cross_entropy"] = 0.7
            write_log(job.run, (10, 20), {**values, "train/total_loss": 1.0 + job.seed})
    rows, _ = draw(place, "10", "--labels", "100")
    found = {(row["loss"], row["method"], row["update"]): row for row in rows}
    for variant, title in TITLES.items():
        total = found["total", title, "20"]
        assert (float(total["mean"]), float(total["std"]), total["runs"]) == (2, 1, "3")
        assert float(found["classification", title, "10"]["mean"]) == pytest.approx(0.7)
        losses = {loss for loss, method, _ in found if method == title}
        assert len(losses) == 2 + len(added[variant])
    assert {row["update"] for row in rows} == {"10", "20"}


def test_loss_curves_of_results_whose_logs_are_gone_are_refused_in_one_line(place, capsys):
    cells = [label_cell(DATA_SET, MODEL, variant, 100) for variant in VARIANTS]
    for job in place.jobs(cells, [(0, 0)]):
        write_finished(job, {"test": dict.fromkeys(METRICS[DATA_SET].values(), 0.5)})
    options = ["--out", place.out, "--data-dir", place.data_dir, "--model", MODEL]
    options += ["--data-set", DATA_SET, "--seeds", 1, "--labels", 100]
    assert main(["figure", "10", *map(str, options)]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("refnet figure 10: ") and "log.txt: no line of training" in last
    assert not list(place.out.rglob("figure_10*"))


def test_a_run_without_a_log_is_named_and_the_others_are_drawn(place, capsys):
    cells = [label_cell(DATA_SET, MODEL, variant, 100) for variant in VARIANTS]
    jobs = place.jobs(cells, [(0, seed) for seed in SEEDS])
    for job in jobs:
        write_finished(job, {"test": dict.fromkeys(METRICS[DATA_SET].values(), 0.5)})
        write_log(job.run, (10, 20), {"train/total_loss": 1.0})
    jobs[0].run.log.unlink()
    options = ["--out", place.out, "--data-dir", place.data_dir, "--model", MODEL]
    options += ["--data-set", DATA_SET, "--seeds", len(SEEDS), "--labels", 100]
    assert main(["figure", "10", *map(str, options)]) == 1
    said = capsys.readouterr()
    assert f"Failed: {jobs[0].run.name}: no line of training in {jobs[0].run.log}" in said.out
    assert "1 run failed" in said.err
    (file,) = place.out.rglob("figure_10*.csv")
    rows = list(csv.DictReader(x for x in file.read_text().splitlines() if x[0] != "#"))
    assert {row["runs"] for row in rows if row["method"] == TITLES["baseline"]} == {"2"}
    assert {row["runs"] for row in rows if row["method"] != TITLES["baseline"]} == {"3"}


def thirty_points():
    """Embeddings of two classes with nothing in them."""
    points = np.random.default_rng(0).normal(size=(30, 5))
    return EmbeddingSet(
        ids=np.arange(30),
        fused=points,
        features={"text": points, "image": points},
        queries={"text": points, "image": points},
        labels=np.arange(30) % 2,
    )


def write_embedded(place, embeddings):
    """Finish the runs of each method, all with these embeddings; return their files."""
    cells = [Cell(DATA_SET, MODEL, variant) for variant in VARIANTS]
    written = []
    for job in place.jobs(cells, [(0, seed) for seed in SEEDS]):
        write_finished(job, {"test": dict.fromkeys(METRICS[DATA_SET].values(), 0.5)})
        written.append(write_test_embeddings(job, embeddings))
    return written


def test_the_map_of_embeddings_shows_every_sample_in_every_view(place, capsys):
    """Two classes far apart; the features of text alone know the class."""
    random = np.random.default_rng(0)
    count, width = 40, 6
    labels = np.arange(count) % 2
    apart = 10 * (2 * labels[:, None] - 1) + random.normal(size=(count, width))
    mixed = random.normal(size=(count, width))
    embeddings = EmbeddingSet(
        ids=np.arange(100, 100 + count),
        fused=apart,
        features={"text": apart[:, :4], "image": mixed},
        queries={"text": apart, "image": mixed},
        labels=np.append(labels[:-1], -1),
    )
    write_embedded(place, embeddings)
    rows, comments = draw(place, "5")
    labelled = {str(key) for key in embeddings.ids[:-1]}
    for view, modalities in {
        "fused embedding": {"both"},
        "one modality alone, fused": {"text", "image"},
        "before the fusion": {"text", "image"},
    }.items():
        for method in TITLES.values():
            drawn = [row for row in rows if (row["view"], row["method"]) == (view, method)]
            assert {(row["id"], row["modality"]) for row in drawn} == {
                (key, modality) for key in labelled for modality in modalities
            }
            assert {row["class"] for row in drawn} == {"hateful", "not hateful"}
            assert {(row["data_seed"], row["seed"]) for row in drawn} == {("0", "0")}
    assert any("MINIATURE" in comment for comment in comments)
    table = capsys.readouterr().out
    fused = next(line for line in table.splitlines() if line.startswith("fused embedding"))
    assert "0.9" in fused and "100.000" in fused


def test_a_map_takes_as_many_samples_as_it_is_told(place):
    write_embedded(place, thirty_points())
    rows, _ = draw(place, "5", "--samples", "12")
    assert len({row["id"] for row in rows}) == 12
    assert len(rows) == len(VARIANTS) * 12 * 5


def test_a_run_without_embeddings_is_named_and_the_others_are_drawn(place, capsys):
    written = write_embedded(place, thirty_points())
    written[0].write_bytes(b"PK\x03\x04 damaged")
    (written[0].parent / "best.ckpt").unlink()
    options = ["--out", place.out, "--data-dir", place.data_dir, "--model", MODEL]
    options += ["--data-set", DATA_SET, "--seeds", len(SEEDS)]
    assert main(["figure", "5", *map(str, options)]) == 1
    said = capsys.readouterr()
    assert f"{written[0].parent}: the run is finished, and its checkpoints are gone" in said.out
    assert "1 run failed" in said.err
    assert list(place.out.rglob("figure_5*.svg"))


def test_runs_that_are_not_finished_are_not_run_without_data(place, capsys):
    (place.data_dir / "datasets").mkdir()
    words = ["--out", place.out, "--data-dir", place.data_dir, "--model", MODEL, "--seeds", 1]
    assert main(["figure", "4", "--data-set", DATA_SET, *map(str, words)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("refnet figure 4: ") and error.count("\n") == 1
