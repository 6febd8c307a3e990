"""``refnet run`` checks the whole command before anything runs."""

import subprocess
import sys

import pytest

from refnet_mmf.plugin.errors import RefnetError
from tests.plugin.conftest import PROJECT

pytestmark = pytest.mark.mmf


@pytest.fixture
def check(memes, tmp_path):
    from refnet_mmf.plugin.command_check import check_command

    def run(*options, leave_out=()):
        common = {
            "config": PROJECT / "refnet_mini.yaml",
            "model": "refnet_mmbt",
            "dataset": "hateful_memes",
            "env.data_dir": memes,
            "env.save_dir": tmp_path,
        }
        return check_command(
            [*(f"{key}={value}" for key, value in common.items() if key not in leave_out), *options]
        )

    return run


def test_a_good_command_passes_as_it_is(check):
    assert check("training.max_updates=3")[-1] == "training.max_updates=3"
    assert check("model_config.mmbt.losses[0].type=cross_entropy")


def test_a_config_of_the_package_is_found_from_anywhere(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "projects/hateful_memes/configs/mmbt/refnet_mini.yaml"
    options = check(f"config={name}", leave_out=["config"])
    assert f"config={PROJECT / 'refnet_mini.yaml'}" in options


@pytest.mark.parametrize(
    ("options", "without", "message"),
    [
        ([], "model", "model= is missing"),
        ([], "dataset", "dataset= is missing"),
        (
            ["model=refnet_mmbtt"],
            "model",
            "model: unknown model 'refnet_mmbtt'; did you mean 'refnet_mmbt'",
        ),
        (["dataset=hatefulmemes"], "dataset", "did you mean 'hateful_memes'"),
        (
            ["evaluation.metrics=['refnet_roc_acu']"],
            "",
            r"evaluation.metrics\[0\]: unknown metric 'refnet_roc_acu'; .* 'refnet_roc_auc'",
        ),
        (
            ["training.early_stop.criteria=hateful_memes/roc_auc"],
            "",
            "unknown value of a validation .*; did you mean 'hateful_memes/refnet_roc_auc'",
        ),
        (["refnet.labels.fraction=2.0"], "", "refnet.labels.fraction: .*less than or equal to 1"),
        (["refnet.labels.ids_file=no.txt"], "", "refnet.labels.ids_file: no such file: no.txt"),
        (["refnet.label.fraction=0.1"], "", "unknown option 'label'; did you mean 'labels'"),
        (["training.fp16=True"], "", "training.fp16: needs a GPU"),
        (["config=refnet_mni.yaml"], "config", "config: no such file: refnet_mni.yaml"),
        (
            ["training.max_update=3"],
            "",
            "training: unknown option 'max_update'; did you mean 'max_updates'",
        ),
        (
            ["trainin.max_updates=3"],
            "",
            "command line: unknown option 'trainin'; did you mean 'training'",
        ),
        (["training.seed.x=3"], "", "training.seed is 1, not a block"),
        (["nonsense"], "", "'nonsense' has no value"),
        (["model_config.mmbt.losses[7].type=x"], "", "no such element"),
        (["model_config.mmbt.losses[0].type=crossentropy"], "", "did you mean 'cross_entropy'"),
        (["model_config.refnet_mmbt.refiner.wieghts.text=1"], "", "did you mean 'weights'"),
        (["model_config.refnet_mmbt.refiner.weights.text=-1"], "", "greater than or equal to 0"),
        (
            ["env.data_dir=/no/such/folder"],
            "env.data_dir",
            "env.data_dir: no such folder: /no/such/folder",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(check, options, without, message):
    with pytest.raises(RefnetError, match=message) as error:
        check(*options, leave_out=[without])
    assert "\n" not in str(error.value)


def test_a_missing_annotation_file_is_named(check, tmp_path):
    with pytest.raises(RefnetError, match=r"annotations\.\w+: no such file: .*\.jsonl"):
        check(f"env.data_dir={tmp_path}", leave_out=["env.data_dir"])


def test_a_yaml_that_does_not_parse_is_named(check, tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text("training: [1, 2\n")
    with pytest.raises(RefnetError, match="configuration: .*broken.yaml"):
        check(f"config={file}", leave_out=["config"])


def refnet(*words):
    return subprocess.run(
        [sys.executable, "-m", "refnet_mmf.cli", *words], capture_output=True, text=True
    )


def test_the_command_ends_in_one_line_and_not_0():
    done = refnet("run", "model=refnet_mmb", "dataset=hateful_memes")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("refnet run: model: unknown model")


def test_it_trains(memes, tmp_path):
    from tests.plugin.conftest import SHORT

    config = "projects/hateful_memes/configs/mmbt/refnet_mini.yaml"
    options = [f"config={config}", "model=refnet_mmbt", "dataset=hateful_memes", *SHORT]
    options += [f"env.data_dir={memes}", f"env.save_dir={tmp_path / 'save'}"]
    done = subprocess.run(
        [sys.executable, "-m", "refnet_mmf.cli", "run", *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "refiner_text" in done.stdout + done.stderr


def test_without_mmf_it_says_how_to_get_it(tmp_path):
    code = (
        "import sys; sys.modules['mmf'] = None; from refnet_mmf.cli import main; "
        "sys.exit(main(['run', 'model=x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "refnet run: MMF is not installed; 'refnet install-mmf' puts it into this environment"
    )
