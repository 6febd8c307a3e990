"""Table A.7: ratios of training times from rounds of real runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from refnet_mmf.cli import main
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import jobs_of
from refnet_mmf.experiments.mmf_log import interval_seconds
from refnet_mmf.experiments.tables.training_time import (
    Times,
    measure,
    rounds_of,
    seconds_an_update,
    spell_ratio,
    time_notes,
    time_rows,
    timed_cells,
)

LINE = (
    "2026-11-26T11:48:46 | INFO | mmf.train : progress: {0}/40, train/total_loss: 0.7461, "
    "experiment: run, num_updates: {0}, max_updates: 40, lr: 0.0004, ups: 10.00, "
    "time: {1}, time_since_start: 04s 113ms, eta: 02s 153ms"
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("076ms", 0.076), ("01s 482ms", 1.482), ("02m 03s 004ms", 123.004), ("01h 02m 03s", 3723.0)],
)
def test_mmfs_timer_is_read(text, seconds):
    assert interval_seconds([LINE.format(20, text)]) == [(20, pytest.approx(seconds))]


def test_validation_and_other_lines_have_no_training_time():
    line = "progress: 10/40, val/total_loss: 0.6929, num_updates: 10, val_time: 066ms, best: 1"
    assert interval_seconds([line, "time: 01s"]) == []


def test_the_first_intervals_are_warm_up(tmp_path):
    log = tmp_path / "log.txt"
    times = {10: "09s", 20: "05s", 30: "01s 500ms", 40: "01s"}
    log.write_text("\n".join(LINE.format(update, text) for update, text in times.items()))
    assert seconds_an_update(log) == pytest.approx([0.15, 0.1])
    log.write_text(LINE.format(10, "09s"))
    with pytest.raises(ValueError, match="too few times of updates: 1"):
        seconds_an_update(log)


def test_a_ratio_is_the_geometric_mean_with_its_t_interval():
    own, baseline = [1.1, 1.3, 1.2], [1.0, 1.0, 1.1]
    logs = np.log(own) - np.log(baseline)
    low, high = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    expected = [f"{stats.gmean(np.exp(logs)):.3f}", f"{np.exp(low):.3f} to {np.exp(high):.3f}"]
    assert spell_ratio(own, baseline) == expected
    assert spell_ratio([2.0], [1.0]) == ["2.000", "-"]
    assert spell_ratio([], []) == ["-", "-"]


@pytest.mark.parametrize("cell", timed_cells(), ids=lambda cell: cell.name)
def test_every_cell_has_its_yaml_at_both_scales(cell):
    assert cell.config("mini").is_file() and cell.config("paper").is_file()


@pytest.fixture
def jobs(memes, tmp_path):
    """The runs of one round of MMBT, five updates each."""
    pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
    short = ("training.max_updates=5", "training.log_interval=1", "training.batch_size=16")
    cells = [
        replace(cell, overrides=(*short, "training.evaluation_interval=50"))
        for cell in timed_cells()
        if cell.model == "mmbt"
    ]
    return jobs_of(cells, "mini", {("hateful_memes", 0): memes}, (0,), tmp_path)


@pytest.mark.mmf
@pytest.mark.slow
def test_a_round_is_measured_once(jobs):
    rounds = rounds_of(jobs)
    (one,) = rounds
    for job in jobs:
        assert "run_type=train " in job.run.command
    times = measure(rounds)
    assert not times.failures
    content = json.loads(one.path.read_text())
    assert sorted(content["order"]) == ["baseline", "refnet", "refnetms"]
    assert all(len(values) == 3 and min(values) > 0 for values in content["seconds"].values())
    shown = time_rows(rounds, times)
    own = {name: np.median(values) for name, values in content["seconds"].items()}
    assert [row[0] for row in shown.rows] == ["MMBT", "ReFNet-MMBT", "ReFNetMS-MMBT"]
    assert shown.rows[1][1] == f"{1000 * own['refnet']:.1f}"
    assert shown.rows[2][2] == f"{own['refnetms'] / own['baseline']:.3f}"
    assert [row[4] for row in shown.rows] == ["-", "1.03 to 1.05", "1.30 to 1.35"]
    assert any(note.startswith("Measured on ") for note in time_notes(times, miniature=True))

    logs = {job: job.run.log.read_bytes() for job in jobs}
    assert measure(rounds).seconds == times.seconds
    assert all(job.run.log.read_bytes() == log for job, log in logs.items())

    whole = one.path.read_text()
    one.path.write_text(whole[:40])
    assert "cannot be read" in measure(rounds).failures[one.path]
    one.path.write_text(json.dumps({**content, "versions": {"torch": "1.0"}}))
    assert "holds times of other versions" in measure(rounds).failures[one.path]
    for damage in ({"seconds": {}}, {"seconds": {"baseline": "x"}}, {"load": None}, {"machine": 1}):
        one.path.write_text(json.dumps({**content, **damage}))
        assert "damaged: no times of a round" in measure(rounds).failures[one.path]


@pytest.mark.mmf
@pytest.mark.slow
def test_a_round_that_was_cut_off_is_measured_again_as_a_whole(jobs):
    (one,) = rounds_of(jobs)
    started = jobs[0].run
    run_folder.start(started)
    (started.folder / "log.txt").write_text(LINE.format(1, "09s"))
    (started.folder / "current.ckpt").write_text("half")
    assert not measure([one]).failures
    assert json.loads(one.path.read_text())["seconds"].keys() == one.jobs.keys()
    assert "ups: 10.00, time: 09s" not in started.log.read_text()


def test_rounds_without_times_are_dashes():
    jobs = jobs_of(timed_cells(), "mini", {("hateful_memes", 0): Path("data")}, (0, 1), Path("out"))
    rounds = rounds_of(jobs)
    assert len(rounds) == 4
    rows = time_rows(rounds, Times()).rows
    assert [row[1:4] for row in rows if row[0] == "ReFNet-ViLBERT"] == [["-", "-", "-"]]
    assert {row[-1] for row in rows} == {"0"}


def test_a_method_without_its_baseline_is_refused_in_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "a7", "--only", "refnetms", "--dry-run"]) == 1
    said = capsys.readouterr().err
    assert "--only: leaves refnetms alone; a round needs baseline, refnet, refnetms" in said
    assert len(said.strip().splitlines()) == 1
    assert main(["table", "a7", "--only", "vilbert", "--dry-run", "--seeds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("OMP_NUM_THREADS=1 mmf_run ")]) == 6
    assert not list(tmp_path.iterdir())
