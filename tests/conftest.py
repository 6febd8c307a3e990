"""Fixtures for all tests: the tiny miniature data, and a network small enough for every test."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

# Processes side by side, one thread each: no test may depend on how many processors there are.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def temporary_files_of_processes() -> Iterator[None]:
    """What started processes put among the temporary files goes with the session, killed or not."""
    # Short: the path of a socket has a hundred bytes.
    with (
        tempfile.TemporaryDirectory(prefix="refnet-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("TMPDIR", folder)
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A folder that all workers of a parallel run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def _tiny(name: str, folder: Path) -> Path:
    """Make a tiny miniature data set, once for all workers; the value is for env.data_dir."""
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            command = [sys.executable, "-m", "refnet_mmf.cli", "data", "make", name]
            subprocess.run([*command, "--size", "tiny", "--out", str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def memes(shared_folder) -> Path:
    """The tiny miniature memes."""
    return _tiny("hateful_memes", shared_folder / "memes")


@pytest.fixture(scope="session")
def movies(shared_folder) -> Path:
    """The tiny miniature movies."""
    return _tiny("mmimdb", shared_folder / "movies")


@pytest.fixture(scope="session")
def entailment(shared_folder) -> Path:
    """The tiny miniature entailment set."""
    return _tiny("visual_entailment", shared_folder / "entailment")
