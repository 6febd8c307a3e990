"""``refnet run`` checks the whole command before anything runs."""

import shutil
import subprocess
import sys

import pytest

from refnet_mmf.plugin.errors import RefnetError
from tests.command_server import refnet
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
    assert check("evaluation.predict=true")


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
        (
            ["refnet.labels.fraction=2.0"],
            "",
            "refnet.labels.fraction: expected number above 0, at most 1",
        ),
        (["refnet.labels.ids_file=no.txt"], "", "refnet.labels.ids_file: no such file: no.txt"),
        (["refnet.label.fraction=0.1"], "", "unknown option 'label'; did you mean 'labels'"),
        (["training.max_updates=fast"], "", "training.max_updates: expected a number, got 'fast'"),
        (
            ["training.early_stop.enabled=false"],
            "",
            "enabled: expected True or False, got 'false' .*on the command line write False",
        ),
        (["training.early_stop=3"], "", "training.early_stop: expected a block of settings, got 3"),
        (
            ["model_config.refnet_mmbt.metric_loss.weight=0.2"],
            "",
            r"metric_loss is null; set the whole block: .*metric_loss=\{\"weight\": 0.2\}'",
        ),
        (["checkpoint.resume_file=no.pth"], "", "checkpoint.resume_file: no.pth: no such file"),
        (
            ["checkpoint.resume_zoo=mmbt.hateful_meme.images"],
            "",
            "checkpoint.resume_zoo: unknown model .* near it: mmbt.hateful_memes.images",
        ),
        (
            ["checkpoint.zoo_config_override=True"],
            "",
            "checkpoint.zoo_config_override: .* zoo's model in the place of refnet_mmbt",
        ),
        (["training.fp16=True"], "", "training.fp16: needs a GPU"),
        (["optimizer.params.lr=fast"], "", "optimizer.params.lr: expected a number, got 'fast'"),
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
        (["own.yaml"], "", "'own.yaml': a YAML file is named by config=own.yaml"),
        (["training.bf16=true"], "", "bf16: expected True or False, got 'true' .*line write True"),
        (
            ["optimizer.params.amsgrad=True"],
            "",
            "optimizer.params.amsgrad: is in no YAML of this run, .* write it there",
        ),
        (
            ["model_config.refnet_mmbt.pooler=average_last"],
            "",
            "pooler: nothing reads it here; it belongs in model_config.refnet_mmbt.refiner.pooler",
        ),
        (["refiner.loss=mse"], "", "refiner: nothing reads it here; it belongs in model_config"),
        (["model_config.mmbt.losses[7].type=x"], "", "no such element"),
        (["model_config.mmbt.losses[0].type=crossentropy"], "", "did you mean 'cross_entropy'"),
        (["model_config.refnet_mmbt.refiner.wieghts.text=1"], "", "did you mean 'weights'"),
        (["model_config.refnet_mmbt.refiner.weights.text=-1"], "", "expected number from 0"),
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


def test_a_misspelt_file_is_told_from_those_beside_it(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.yaml", "my_ids.txt"):
        (tmp_path / name).write_text("training: {seed: 1}\n")
    (tmp_path / "top.yaml").write_text("includes: [mime.yaml]\n")
    for options, without in (
        (["config=mime.yaml"], "config"),
        (["config=top.yaml"], "config"),
        (["refnet.labels.ids_file=my_idz.txt"], ""),
    ):
        with pytest.raises(RefnetError, match=r"no such file: .*; did you mean '.*(mine|my_ids)\."):
            check(*options, leave_out=[without])


def test_a_missing_annotation_file_is_named(check, tmp_path):
    with pytest.raises(RefnetError, match=r"annotations\.\w+: no such file: .*\.jsonl"):
        check(f"env.data_dir={tmp_path}", leave_out=["env.data_dir"])


def test_a_yaml_that_does_not_parse_is_named(check, tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text("training: [1, 2\n")
    with pytest.raises(RefnetError, match="broken.yaml: cannot be read: "):
        check(f"config={file}", leave_out=["config"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "training: {max_update: 3}",
            "own.yaml: training: unknown key 'max_update'; did you mean 'max_updates'",
        ),
        ("trainign: {seed: 3}", "own.yaml: top level: unknown key 'trainign'; did you mean 'train"),
        (
            "model_config: {refnet_mbt: {refiner: {loss: mse}}}",
            "own.yaml: model_config: unknown section 'refnet_mbt'; did you mean 'refnet_mmbt'",
        ),
        (
            "dataset_config: {hateful_meme: {max_features: 3}}",
            "own.yaml: dataset_config: unknown section 'hateful_meme'; did you mean 'hateful_memes",
        ),
        ("include: [other.yaml]", "top level: unknown key 'include'; did you mean 'includes'"),
        (
            "optimizer: {params: {lr: 0.1, lrr: 0.1}}",
            "optimizer.params: unknown key 'lrr'; did you mean 'lr'",
        ),
        ("training: {max_updates: soon}", "training.max_updates: expected a number, got 'soon'"),
        ("training: {seed_of_all: 3}", "training: unknown key 'seed_of_all'"),
        (
            "refiner: {loss: mse}",
            r"own.yaml: refiner: nothing reads it here; it belongs in "
            r"model_config.refnet_<model>.refiner",
        ),
        (
            "model_config: {refnet_mmbt: {text_encoder: {refiner: {}}}}",
            "nothing reads it here; it belongs in model_config.refnet_mmbt.refiner",
        ),
        ("model_config: {mmbt: {metric_loss: {}}}", "it belongs in model_config.refnet_mmbt"),
        *(
            (f"model_config: {{refnet_mmbt: {{{key}: x}}}}", f"nothing reads it here; it {belongs}")
            for key, belongs in (
                ("pooler", r"belongs in model_config.refnet_mmbt.refiner.pooler$"),
                ("weights", r"belongs in model_config.refnet_mmbt.refiner.weights$"),
                ("loss", r"belongs in model_config.refnet_mmbt.refiner.loss$"),
                ("hidden_dims", r"belongs in model_config.refnet_mmbt.refiner.hidden_dims$"),
                ("stop_gradient", r"belongs in model_config.refnet_mmbt.refiner.stop_gradient$"),
                ("gamma", r"belongs in model_config.refnet_mmbt.refiner.weights$"),
                ("zeta", r"belongs in model_config.refnet_mmbt.metric_loss.weight$"),
                ("weight", r"belongs in model_config.refnet_mmbt.metric_loss.weight$"),
                ("base", r"belongs in model_config.refnet.base$"),
                ("taps", r"belongs in model_config.refnet.taps$"),
            )
        ),
        ("training: {fraction: 0.1}", r"it belongs in refnet.labels.fraction$"),
        ("training: {pairing: matched}", r"it belongs in refnet.pairing$"),
        (
            "model_config: {refnet_mmbt: {text_encoder: {params: {hidden_dropout_probb: 0}}}}",
            "text_encoder.params: unknown key 'hidden_dropout_probb'; did you mean 'hidden_drop",
        ),
        ("dataset_config: {hateful_memes: {use_featuers: true}}", "did you mean 'use_features'"),
        ("scheduler: {params: {num_warmup_step: 3}}", "unknown key 'num_warmup_step'"),
        (
            "model_config: {visual_bert: {hidden_size: 8}}",
            "own.yaml has settings of model visual_bert, and none of model=refnet_mmbt",
        ),
        (
            "dataset_config: {mmimdb: {use_images: true}}",
            "own.yaml has settings of dataset mmimdb, and none of dataset=hateful_memes",
        ),
    ],
)
def test_what_nothing_reads_in_a_yaml_is_refused(check, tmp_path, text, message):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(RefnetError, match=message) as error:
        check(f"config={file}", leave_out=["config"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {early_stop: [3]}", r"training.early_stop: expected .* the list \[3\]"),
        ("model_config: {refnet_mmbt: {refiner: [a]}}", r"refiner: expected .* the list \['a'\]"),
        ("model_config: {refnet_mmbt: {refiner: {weights: [1, 2]}}}", r"refiner.weights: expected"),
    ],
)
def test_a_list_where_a_block_belongs_is_named_with_its_file(check, tmp_path, text, message):
    file, top = tmp_path / "own.yaml", tmp_path / "top.yaml"
    file.write_text(f"includes: [{PROJECT / 'refnet_mini.yaml'}]\n{text}\n")
    top.write_text("includes: [own.yaml]\n")
    with pytest.raises(RefnetError, match=f"^{file}: .*{message}"):
        check(f"config={top}", leave_out=["config"])


def test_the_file_that_says_it_is_named_where_another_includes_it(check, tmp_path):
    file, included = tmp_path / "own.yaml", tmp_path / "included.yaml"
    included.write_text("training: {max_update: 3}")
    file.write_text(f"includes: [included.yaml, {PROJECT / 'refnet_mini.yaml'}]")
    with pytest.raises(RefnetError, match=f"^{included}: training: unknown key 'max_update'"):
        check(f"config={file}", leave_out=["config"])


def test_keys_that_something_reads_pass_though_no_default_has_them(check, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(
        f"includes: [{PROJECT / 'refnet_mini.yaml'}]\n"
        "short: 4\n"  # a name of the user's, which another key refers to
        "training: {max_updates: '${short}'}\n"
        "optimizer: {params: {lr: 0.001, weight_decay: 0.01}}\n"
        "model_config: {refnet_mmbt: {text_encoder: {params: {layer_norm_eps: 1.0e-6}}}}\n"
    )
    assert check(f"config={file}", leave_out=["config"])


def test_blocks_of_a_refnet_are_not_read_by_its_stock_twin_and_a_line_says_so(check, caplog):
    assert check("model=mmbt", leave_out=["model"])
    assert "model_config.refnet_mmbt.refiner is not read: the run's model is mmbt" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: visual_bertt", "model_config.refnet.base: unknown model 'visual_bertt'; did you"),
        ("bas: visual_bert", r"model_config.refnet.base: is missing \(there is a key 'bas'\)"),
    ],
)
def test_a_wrong_base_is_named(check, tmp_path, text, message):
    file = tmp_path / "own.yaml"
    visual_bert = PROJECT.parent / "visual_bert" / "refnet_mini.yaml"
    file.write_text(f"model_config: {{refnet: {{{text}}}}}")
    with pytest.raises(RefnetError, match=message):
        check(f"config={file}", "model=refnet", leave_out=["config", "model"])
    option = "model_config.refnet.base=visual_bertt"
    with pytest.raises(RefnetError, match="unknown model 'visual_bertt'; did you mean 'visual_b"):
        check(f"config={visual_bert}", "model=refnet", option, leave_out=["config", "model"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pooler: average_concat", r"it belongs in model_config.refnet.refiner.pooler$"),
        ("hidden_dropout_probb: 0", "unknown key 'hidden_dropout_probb'; did you mean 'hidden_dr"),
    ],
)
def test_the_section_of_any_model_is_checked_as_the_others(check, tmp_path, text, message):
    file = tmp_path / "own.yaml"
    visual_bert = PROJECT.parent / "visual_bert" / "refnet_mini.yaml"
    file.write_text(f"includes: [{visual_bert}]\nmodel_config: {{refnet: {{{text}}}}}\n")
    with pytest.raises(RefnetError, match=message):
        check(f"config={file}", "model=refnet", leave_out=["config", "model"])


def test_a_relative_folder_of_data_is_made_absolute(check, memes, monkeypatch):
    monkeypatch.chdir(memes.parent)
    options = check(f"env.data_dir={memes.name}", leave_out=["env.data_dir"])
    assert f"env.data_dir={memes}" in options


def test_scores_of_untrained_weights_are_said_to_be(check, caplog):
    assert check("run_type=test")
    assert "no checkpoint is named: the weights are untrained" in caplog.text


def test_the_command_ends_in_one_line_and_not_0():
    done = refnet("run", "model=refnet_mmb", "dataset=hateful_memes")
    assert done.code == 1
    assert "Traceback" not in done.errors
    assert done.errors.strip().splitlines()[-1].startswith("refnet run: model: unknown model")


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


def test_data_that_mmf_wants_to_download_names_the_command_that_marks_it(memes, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(memes, data)
    for mark in data.rglob(".built.json"):
        mark.unlink()
    done = refnet(
        *("run", "model=refnet_mmbt", "dataset=hateful_memes"),
        "config=projects/hateful_memes/configs/mmbt/refnet_mini.yaml",
        *(f"env.data_dir={data}", f"env.save_dir={tmp_path / 'save'}"),
        environment={"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": ""},
    )
    assert done.code == 1
    last = done.errors.splitlines()[-1]
    assert last.startswith("refnet run: MMF wants to download ")
    assert "'refnet data check hateful_memes DIR --mark'" in last
