"""``refnet doctor``: what it looks at, and what it says of what is wrong."""

import importlib.metadata

import pytest

from refnet_mmf.experiments.doctor import LIBRARIES, NOTE, OK, WRONG, library, tested_versions
from tests.command_server import refnet

pytestmark = pytest.mark.mmf
COMMAND = (
    "config=projects/hateful_memes/configs/mmbt/refnet_mini.yaml",
    *("model=refnet_mmbt", "dataset=hateful_memes"),
)


def test_every_library_was_tested_in_a_version_that_is_written_down():
    assert set(LIBRARIES) <= set(tested_versions())


def test_another_version_is_a_note_and_a_missing_library_is_wrong():
    there = importlib.metadata.version("torch")
    assert library("torch", there).verdict == OK
    other = library("torch", "0.1")
    assert other.verdict == NOTE and "pip install 'torch==0.1'" in other.advice
    missing = library("no-such-library", "1.0")
    assert missing.verdict == WRONG and "installs it" in missing.advice


def test_the_environment_is_looked_at(tmp_path):
    done = refnet("doctor", folder=tmp_path)
    assert done.code == 0, done.output
    rows = {line.split()[0]: line for line in done.output.splitlines() if line.strip()}
    assert importlib.metadata.version("torch") in rows["torch"]
    assert importlib.metadata.version("mmf") in rows["MMF"]
    assert "6 models, on MMF's" in rows["plugin"]
    assert done.output.endswith("Nothing is wrong.\n")
    assert not list(tmp_path.iterdir())


def test_a_command_and_its_data_are_looked_at(memes, tmp_path):
    done = refnet("doctor", *COMMAND, f"env.data_dir={memes}", folder=tmp_path)
    assert done.code == 0, done.output
    assert "good: keys, losses, metrics, files and rows" in done.output
    assert "MINIATURE, generated (size tiny, seed 0)" in done.output
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_with_a_command_is_told(memes, tmp_path):
    done = refnet(
        "doctor", *COMMAND, f"env.data_dir={memes}", "training.max_update=3", folder=tmp_path
    )
    assert done.code == 1
    assert "wrong: command: training: unknown option 'max_update'; did you mean" in done.output
    assert done.output.endswith("Wrong: 1.\n")
