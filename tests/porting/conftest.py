"""Sources to port, and environments to install them in."""

from __future__ import annotations

import venv
import zipfile
from pathlib import Path

import pytest

from refnet_mmf.porting import environment, rules_main, rules_pypi
from refnet_mmf.porting.rule import PortingError
from tests.porting.samples import sources


def _run_module(says: str) -> bytes:
    """A command that can be run, with the places that rules of both lines change."""
    return f"""\
import random


def run():
    print({says!r})


def launch(configuration, predict):
    while True:
        while random:
            distributed_main(0, configuration, predict)
""".encode()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel that the PyPI line's rules fit, with what else the official one has."""
    info = f"mmf-{rules_pypi.VERSION}.dist-info"
    files = sources(rules_pypi.RULES) | {
        "mmf/__init__.py": b"",
        "mmf_cli/run.py": _run_module("run of rc10"),
        "mmf_cli/__init__.py": b"",
        **dict.fromkeys(rules_pypi.DROPPED, b"\x7fELF"),
        f"{info}/METADATA": b"Name: mmf\nVersion: 1.0.0rc10\nRequires-Dist: torch (==1.5.0)\n",
        f"{info}/WHEEL": b"Root-Is-Purelib: false\nTag: cp38-cp38-manylinux1_x86_64\n",
        f"{info}/RECORD": b"",
        f"{info}/LICENSE": b"BSD License\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nmmf_run = mmf_cli.run:run\n",
    }
    path = tmp_path / f"mmf-{rules_pypi.VERSION}-cp38-cp38-manylinux1_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that the main branch's rules fit."""
    root = tmp_path / "checkout"
    files = sources(rules_main.RULES) | {
        "mmf/__init__.py": b"",
        "mmf/version.py": b'__version__ = "1.0.0rc12"\n',
        "mmf/configs/models/one.yaml": b"training: {}\n",
        "mmf/utils/phoc/cphoc.so": b"\x7fELF",
        "mmf/__pycache__/__init__.cpython-311.pyc": b"",
        "mmf_cli/__init__.py": b"",
        "mmf_cli/run.py": _run_module("run of main"),
        "projects/mmbt/configs/hateful_memes/defaults.yaml": b"model: mmbt\n",
        "tests/test_something.py": b"",
        "setup.py": b'setup(entry_points={"console_scripts": ["mmf_run = mmf_cli.run:run"]})\n',
        "LICENSE": b"BSD License\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "mmf/projects").symlink_to("../projects")
    alias = root / "projects/hateful_memes/configs/mmbt/defaults.yaml"
    alias.parent.mkdir(parents=True)
    alias.symlink_to("../../../mmbt/configs/hateful_memes/defaults.yaml")
    return root


@pytest.fixture(scope="session")
def official_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the package index, where there is one to be had."""
    try:
        folder = tmp_path_factory.mktemp("official")
        return environment.download_wheel("mmf", rules_pypi.VERSION, folder)
    except PortingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that has pip and nothing else."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=True)
    return root / "bin/python"


@pytest.fixture(scope="session")
def python_without_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that has nothing at all."""
    root = tmp_path_factory.mktemp("bare")
    venv.create(root, with_pip=False)
    return root / "bin/python"
