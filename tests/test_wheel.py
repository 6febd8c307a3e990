"""The package as pip installs it: its YAML files are inside, and it runs from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel by way of the sdist, as ``make dist`` makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    sdist = [sys.executable, "setup.py", "-q", "egg_info", "-e", str(folder)]
    sdist += ["sdist", "-d", str(folder)]
    subprocess.run(sdist, check=True, cwd=REPOSITORY)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    archive = next(folder.glob("*.tar.gz"))
    subprocess.run([*pip, "--wheel-dir", str(folder), str(archive)], check=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_holds_every_yaml_and_template(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("configs", "projects"):
        for file in (REPOSITORY / folder).rglob("*.yaml"):
            assert f"refnet_mmf/{file.relative_to(REPOSITORY).as_posix()}" in names
    assert {"refnet_mmf/version.txt", "refnet_mmf/py.typed"} <= names
    assert "refnet_mmf/experiments/templates/page.html" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


@pytest.mark.slow
@pytest.mark.mmf
def test_installed_elsewhere_it_trains_from_another_folder(wheel, memes, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(wheel)], check=True)
    others = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(site), *([others] if others else [])])
    done = subprocess.run(
        [
            *[sys.executable, "-m", "refnet_mmf.cli", "run", "model=refnet_gmu"],
            *["config=projects/hateful_memes/configs/gmu/refnetms_mini.yaml"],
            *["dataset=hateful_memes", f"env.data_dir={memes}", "training.max_updates=2"],
            *[f"env.save_dir={elsewhere / 'save'}", "training.log_interval=1"],
        ],
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert (elsewhere / "save" / "best.ckpt").is_file()
    assert "train/hateful_memes/metric_loss" in done.stdout
    assert (
        str(site)
        in subprocess.run(
            [sys.executable, "-c", "import refnet_mmf; print(refnet_mmf.__file__)"],
            capture_output=True,
            text=True,
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": path},
        ).stdout
    )
