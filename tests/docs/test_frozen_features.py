"""docs/results/frozen_features.py: networks that differ in gamma alone, and tables of them."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

SCRIPT = Path("docs/results/frozen_features.py").resolve()
COLUMNS = ("data", "fusion", "gamma", "seed", "micro_f1", "macro_f1", "text", "image")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("frozen_features", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


class TestBatches:
    def test_labelled_samples_come_first_and_are_never_among_the_others(self, script):
        drawn = list(script.batches(1000, 50, seed=3))
        labelled = {int(i) for batch in drawn for i in batch[: script.LABELLED]}
        others = {int(i) for batch in drawn for i in batch[script.LABELLED :]}
        assert {len(batch) for batch in drawn} == {script.LABELLED + script.UNLABELLED}
        assert len(labelled) == 50
        assert not labelled & others

    def test_a_seed_draws_the_same_and_another_another_part(self, script):
        first, again, other = (torch.cat(list(script.batches(1000, 5, seed))) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


class TestTraining:
    def test_a_plot_is_the_mean_of_its_words_whatever_stands_beside_it(self, script, movies):
        texts = ["a short plot", "two friends gave an old man the part after a year ."]
        bert = movies / "encoders/bert"
        together = script.means_of_words(texts, bert)
        alone = torch.cat([script.means_of_words([text], bert) for text in texts])
        assert torch.allclose(together, alone, atol=1e-5)
        split = script.read_data(str(movies))["dev"]
        assert split.features["text"].shape == (len(split.labels), together.shape[1])
        assert split.labels.any(dim=1).all()

    def test_the_same_run_gives_the_same_scores_and_gamma_others(self, script, movies):
        runs = [script.Run("movies", "GMU", gamma, 0) for gamma in (0.0, 0.0, 3.0)]
        first, again, refined = (script.train(run, str(movies), updates=60) for run in runs)
        assert first == again
        assert refined.text > first.text


@pytest.mark.slow
def test_what_is_finished_is_not_trained_again(movies, tmp_path):
    finished = tmp_path / "frozen_runs.csv"
    rows = [
        ("movies", fusion, gamma, seed, 40 + seed, 30, 20, 10 * gamma)
        for fusion, gamma, seed in product(
            ("GMU", "Concat"), ("0", "0.01", "0.1", "0.3", "1", "3"), (0, 1)
        )
    ]
    rows = [(*row[:7], 10 * float(row[2]) + row[3]) for row in rows]
    with finished.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows[:-1]])
    command = [sys.executable, SCRIPT, movies, "--seeds", "2", "--workers", "1"]
    done = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "frozen")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1/1" in done.stderr
    shown = (tmp_path / "frozen.md").read_text()
    assert "MINIATURE" in shown
    assert "| GMU                | 40.50 ± 0.71 " in shown
    assert "| GMU, gamma 1       | image R^2 | +10.00       |" in shown
    assert finished.read_text().count("\n") == len(rows) + 1
