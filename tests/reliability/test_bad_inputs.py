"""Each bad input ends in one line that names it, and touches nothing that was there."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.command_server import CommandServer
from tests.reliability.bad_inputs import BAD_INPUTS, Place

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
pytestmark = pytest.mark.mmf
PROJECTS = Path(__file__).resolve().parents[2] / "projects"
MODULES = {"refnet": "refnet_mmf.cli", "mmf_run": "mmf_cli.run"}


@pytest.fixture(scope="module")
def finished_run(memes, tmp_path_factory):
    """The folder of a finished run of refnet_mmbt."""
    from tests.plugin.conftest import run_mmf

    result = run_mmf(memes, tmp_path_factory.mktemp("finished") / "run")
    assert result.code == 0, result.output
    return result.folder


@pytest.fixture
def whole_data(request):
    """The folder of a miniature data set, by name."""
    return request.getfixturevalue


NOT_OURS = re.compile(
    r"""\s*$                                   # an empty line
    | .*\s\[\d\d:\d\d<|runs:\ .*left$        # a progress bar
    | .*UserWarning:|\s\swarnings.warn         # MMF's word that there is no GPU
    | .*cpp_extension.py|\s+__import__         # torch's and Lightning's, on MMF main
    | Some\ weights\ of|You\ should\ probably   # Transformers', of a BERT that is begun with
    | Failed:\ |No\ run\ is\ finished          # what a table says of each run
    """,
    re.VERBOSE,
)


def _contents(folder: Path) -> dict[Path, bytes]:
    """All files, but the log and the lock of a run, which it writes first."""
    files = [f for f in sorted(folder.rglob("*")) if f.is_file()]
    return {
        f: f.read_bytes()
        for f in files
        if not {"logs", "train.log", ".training.lock"} & set(f.parts)
    }


def test_there_are_at_least_sixty():
    assert len(BAD_INPUTS) >= 60


@pytest.mark.parametrize("case", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
def test_a_bad_input_ends_in_one_line(case, finished_run, whole_data, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    data = None
    if case.data is not None:
        data = tmp_path / "data"
        shutil.copytree(whole_data(case.data), data, copy_function=os.link)
    names = {
        name: whole_data(name)
        for name in ("memes", "movies", "entailment")
        if f"{{{name}}}" in case.words
    }
    names |= {"data": data, "run": finished_run, "projects": PROJECTS}
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace("{projects}", str(PROJECTS)))
    if case.spoil is not None:
        case.spoil(Place(folder, data, finished_run))

    def contents():
        places = [folder, finished_run, *([] if data is None else [data])]
        return {file: content for place in places for file, content in _contents(place).items()}

    before = contents()
    words = case.words
    for name, value in names.items():
        words = words.replace(f"{{{name}}}", str(value))
    program, *options = words.split()
    ended = CommandServer.shared().run([MODULES[program], *options], folder)

    lines = (ended.errors + ended.output).splitlines()
    wrong = [line for line in lines if line.startswith("wrong: ")]  # what refnet doctor prints
    said = wrong or [line for line in ended.errors.splitlines() if not NOT_OURS.match(line)]
    assert ended.code not in (0, None), ended
    assert "Traceback" not in ended.errors + ended.output, ended.errors[-3000:]
    assert len(wrong or said) == 1, ended.errors
    assert all(part in said[-1] for part in case.says), f"{case.says} not in: {said[-1]}"
    after = contents()
    assert not [f for f, content in before.items() if after.get(f) != content]
    assert not (folder / "executed").exists()
