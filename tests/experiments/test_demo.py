"""The demonstration: three stock runs, their table, and a page that stands alone."""

import os
import re
import subprocess
import sys

import pytest

from refnet_mmf.experiments.demo import train
from refnet_mmf.experiments.line_figure import line_figure
from refnet_mmf.experiments.mmf_run import Run, RunFailed


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "refnet_mmf.cli", "demo", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.mmf
def test_the_demonstration_trains_three_models_and_writes_a_page(tmp_path):
    options = ["training.max_updates=4", "training.evaluation_interval=2"]
    done = demo("--out", str(tmp_path / "demo"), "--size", "tiny", *options)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line for line in done.stdout.splitlines() if re.match(r"(ReFNet(MS)?-)?MMBT  ", line)]
    assert [row.split()[0] for row in rows] == ["MMBT", "ReFNet-MMBT", "ReFNetMS-MMBT"]
    assert all(0 <= float(score) <= 100 for row in rows for score in row.split()[1:])
    assert "MINIATURE" in done.stdout
    page = (tmp_path / "demo/report.html").read_text()
    assert "MINIATURE" in page and page.count("data:image/svg+xml") == 3
    assert not re.search(r"<script|(src|href)=.https?:", page)
    for score in rows[0].split()[1:]:
        assert score in page
    assert page.count("mmf_run env.user_dir=refnet_mmf") == 3


@pytest.mark.slow
@pytest.mark.mmf
def test_a_run_that_fails_is_shown_with_its_last_lines(tmp_path):
    done = demo(
        "--out", str(tmp_path / "demo"), "--size", "tiny", "model_config.mmbt.modal_hidden_size=100"
    )
    assert done.returncode == 1
    assert (
        "mmf_run ended with exit code" in done.stderr
        and "shapes cannot be multiplied" in done.stderr
    )
    assert not (tmp_path / "demo/report.html").exists()


def test_a_bad_size_is_named():
    done = demo("--out", "unused", "--size", "large")
    assert done.returncode == 1
    assert done.stderr == "refnet demo: --size: unknown size 'large' (valid: mini, tiny)\n"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    done = demo("--out", str(tmp_path), "--size", "tiny")
    assert done.returncode == 1
    assert "holds other files; name a new or an empty folder" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.mmf
def test_an_option_that_does_not_exist_is_named_before_data_is_made(tmp_path):
    done = demo("--out", str(tmp_path / "demo"), "model_config.mmbt.nonsense=1")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("refnet demo: model_config.mmbt: unknown option 'nonsense'")
    assert not (tmp_path / "demo").exists()


def test_a_name_keeps_its_style_in_every_figure():
    line = ([1, 2, 3], [0.1, 0.2, 0.3])
    names = ["a", "b"]
    both = line_figure({"one": {"a": line, "b": line}}, "update", names).decode()
    second = line_figure({"one": {"b": line}}, "update", names).decode()
    grey, blue = "#555555", "#0b6fa4"
    assert grey in both and blue in both
    assert blue in second and grey not in second
    assert line_figure({"one": {"b": line}}, "update", names).decode() == second


@pytest.mark.slow
@pytest.mark.mmf
def test_what_has_not_begun_when_a_run_fails_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    runs = [Run(name, ["model=none"], tmp_path / name) for name in ("one", "two", "three")]
    with pytest.raises(RunFailed, match="one: mmf_run ended with exit code"):
        train(runs)
    assert len(list(tmp_path.glob("*/log.txt"))) < 3
