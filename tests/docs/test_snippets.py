"""What the documentation tells a reader to type, in Python or in a tutorial, runs as it stands.

Blocks of YAML hold settings that are taken. A tutorial's blocks of bash run one after the other, in one shell and a new folder; one marked
``expect-error`` has to fail. Blocks of text (a cluster, hours of training) are not run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from refnet_mmf.experiments.embedding_file import write_embeddings
from tests.docs.snippets import snippets
from tests.experiments.test_embedding_file import ABOUT, embeddings

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
WITH_PYTHON = [
    page
    for page in [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
    if snippets(page, "python")
]
WITH_YAML = [
    page
    for page in [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
    if snippets(page, "yaml")
]
WITH_BASH = [page for page in TUTORIALS if snippets(page, "bash")]


def _name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def _run(command: list[str], folder: Path, **options) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, **options
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("page", WITH_PYTHON, ids=_name)
def test_the_python_of_a_page_runs(page, tmp_path):
    pytest.importorskip("pytorch_lightning")
    write_embeddings(tmp_path / "refnet.npz", embeddings(), ABOUT)  # what a page reads
    file = tmp_path / "page.py"
    file.write_text("\n\n".join(snippet.code for snippet in snippets(page, "python")))
    _run([sys.executable, str(file)], tmp_path)


@pytest.mark.mmf
@pytest.mark.parametrize("page", WITH_YAML, ids=_name)
def test_the_yaml_of_a_page_is_taken(page):
    pytest.importorskip("mmf")
    from refnet_mmf.plugin.losses import ListedMultiSimilaritySettings
    from refnet_mmf.plugin.regime import RegimeSettings
    from refnet_mmf.plugin.settings import RefinerSettings, read_block, read_metric_loss
    from refnet_mmf.plugin.tap_settings import read_tap_settings

    readers = {
        "refiner": lambda values: read_block(RefinerSettings, values, "refiner"),
        "metric_loss": lambda values: read_metric_loss(values, "metric_loss"),
        "taps": lambda values: read_tap_settings(values, "taps"),
    }
    listed = {"refiner": RefinerSettings, "multi_similarity": ListedMultiSimilaritySettings}
    for snippet in snippets(page, "yaml"):
        content = yaml.safe_load(snippet.code)
        if "refnet" in content:
            read_block(RegimeSettings, content["refnet"], "refnet")
        for section in (content.get("model_config") or {"": content}).values():
            for key in readers.keys() & section.keys():
                if section[key] is not None:
                    readers[key](section[key])
            for loss in section.get("losses", []):
                if isinstance(loss, dict) and loss["type"] in listed:
                    read_block(listed[loss["type"]], loss.get("params", {}), "losses")


@pytest.mark.slow
@pytest.mark.mmf
@pytest.mark.parametrize("page", WITH_BASH, ids=_name)
def test_a_tutorial_runs_as_it_stands(page, tmp_path):
    pytest.importorskip("mmf")
    script = ["set -euo pipefail"]
    for snippet in snippets(page, "bash"):
        if "expect-error" in snippet.words:
            script.append(f"if (\n{snippet.code}\n); then echo 'no error'; exit 1; fi")
        else:
            script.append(snippet.code)
    file = tmp_path / "page.sh"
    file.write_text("\n".join(script))
    _run(["bash", str(file)], tmp_path, timeout=850)


def test_the_notebook_is_the_tutorial_and_has_been_run():
    tutorial = DOCS / "tutorials/plain-pytorch.md"
    notebook = json.loads(tutorial.with_suffix(".ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code = ["".join(cell["source"]).strip() for cell in cells]
    assert code == [snippet.code.strip() for snippet in snippets(tutorial, "python")]
    assert all(cell["execution_count"] for cell in cells)
    assert "accuracy" in str([cell["outputs"] for cell in cells])


def test_every_tutorial_has_something_to_type():
    for page in TUTORIALS:
        assert snippets(page, "bash") or snippets(page, "python"), page
