"""The scripts behind docs/results.md: every command is one, and what is kept can be gone on from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refnet_mmf.experiments.grid.runner import finished
from refnet_mmf.experiments.report.collect import Place
from refnet_mmf.experiments.tables.known_tables import parts_of
from tests.experiments.finished_runs import write_finished

SCRIPTS = Path("docs/results").resolve()
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

pytestmark = pytest.mark.skipif(
    shutil.which("refnet", path=ENVIRONMENT["PATH"]) is None, reason="refnet is not installed"
)


@pytest.fixture
def scripts(tmp_path):
    """The scripts in a folder of their own, without the runs that the project keeps."""
    folder = tmp_path / "docs" / "results"
    folder.mkdir(parents=True)
    for name in ("commands.sh", "keep.sh"):
        shutil.copy2(SCRIPTS / name, folder)
    return folder


def script(path, *words):
    done = subprocess.run(
        [path, *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_what_is_kept_is_gone_on_from_elsewhere_by_every_command(scripts, tmp_path):
    cell = parts_of("2")[0].cells[0]
    here, there = (Place(tmp_path / name, "mini", None) for name in ("here", "there"))
    done, begun = here.jobs([cell], [(0, 0), (0, 1)])
    write_finished(done, {"val": {"refnet_macro_f1": 0.5}, "test": {"refnet_macro_f1": 0.5}})
    (done.run.folder / "best.ckpt").write_bytes(b"weights")
    begun.run.folder.mkdir()
    (begun.run.folder / "run.json").write_text("{}")
    assert "kept: 1 finished runs" in script(scripts / "keep.sh", here.out)

    said = script(scripts / "commands.sh", there.out, "--dry-run")
    outcome = finished(there.jobs([cell], [(0, 0), (0, 1)]))
    assert [(job.cell, job.seed) for job in outcome.results] == [(cell, 0)]
    assert not outcome.failures
    names = sorted(path.name for path in there.out.rglob("*") if path.is_file())
    assert names == ["result.json", "run.json"]

    commands = re.findall(r"^refnet (table|figure) (\S+)", said, re.MULTILINE)
    tables = {"1", "2", "3", "4", "5", "6", "7", "snli-ve", "a2", "a5", "a7", "probes", "gamma"}
    assert {name for kind, name in commands if kind == "table"} == tables
    assert {name for kind, name in commands if kind == "figure"} == {"4", "5", "7", "10"}
    folders = set(re.findall(r"env\.save_dir=\S+/mini/(\S+)", said))
    on_three_sets = [c.name for name in ("1", "2") for part in parts_of(name) for c in part.cells]
    for name in on_three_sets:
        assert len([folder for folder in folders if folder.startswith(f"{name}/")]) == 24
    assert len([folder for folder in folders if folder.startswith("mmimdb-vilbert-refnetms/")]) == 5


@pytest.mark.parametrize("folder", ["nowhere", "empty", "begun"])
def test_what_is_kept_is_not_replaced_by_nothing(scripts, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun" / "runs" / "mini").mkdir(parents=True)
    kept = scripts / "runs.tar.xz"
    kept.write_bytes(b"the good one")
    done = subprocess.run(
        [scripts / "keep.sh", tmp_path / folder], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode != 0 and done.stderr
    assert kept.read_bytes() == b"the good one"
    assert sorted(path.name for path in scripts.iterdir()) == [
        *("commands.sh", "keep.sh", "runs.tar.xz"),
    ]
