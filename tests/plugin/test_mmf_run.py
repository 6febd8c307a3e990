"""refnet_mmbt through the stock mmf_run: real processes, real files, real checkpoints."""

import json

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.plugin.conftest import PROJECT

pytestmark = pytest.mark.mmf
TEN_UPDATES = ("training.max_updates=10", "training.evaluation_interval=5")


def assert_same(first, second):
    assert set(first) == set(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize(
    "off",
    [
        ["model_config.refnet_mmbt.refiner=null"],
        [f"model_config.refnet_mmbt.refiner.weights.{m}=0" for m in ("text", "image")],
    ],
)
def test_ten_updates_without_a_refiner_are_those_of_stock_mmbt_bit_for_bit(mmf_run, off):
    stock = mmf_run(*TEN_UPDATES, recipe="stock", model="mmbt", name="stock")
    ours = mmf_run(*TEN_UPDATES, *off, name="ours")
    assert stock.code == ours.code == 0, ours.output[-3000:]
    for key in (
        "train/total_loss",
        "val/total_loss",
        "test/total_loss",
        "test/hateful_memes/refnet_roc_auc",
    ):
        assert stock.series(key) == ours.series(key) != []
    assert_same(stock.model(), ours.model())


@pytest.mark.slow
@pytest.mark.parametrize("off", ["null", "weights of 0"])
@pytest.mark.parametrize("name", ["vilbert", "concat", "linear_sum", "gmu"])
def test_ten_updates_of_every_baseline_are_those_of_its_stock_twin_bit_for_bit(mmf_run, name, off):
    stock = mmf_run(*TEN_UPDATES, recipe="stock", model=name, name="stock")
    weights = [f"model_config.refnet_{name}.refiner.weights.{m}=0" for m in ("text", "image")]
    recipe, options = ("baseline_mini", []) if off == "null" else ("refnet_mini", weights)
    ours = mmf_run(*TEN_UPDATES, *options, recipe=recipe, model=f"refnet_{name}", name="ours")
    assert stock.code == ours.code == 0, (stock.output + ours.output)[-3000:]
    for key in ("train/total_loss", "val/total_loss", "test/hateful_memes/refnet_roc_auc"):
        assert stock.series(key) == ours.series(key) != []
    assert_same(stock.model(), ours.model())


@pytest.mark.parametrize("name", ["vilbert", "gmu"])
def test_every_stock_setting_reaches_the_twin(configure, name):
    """From a YAML that does not know the plugin, and from the command line."""
    import refnet_mmf

    refnet_mmf.register()
    from mmf.common.registry import registry

    model = f"refnet_{name}"
    config = configure(
        f"model_config.{name}.finetune_lr_multiplier=0.25", recipe="stock", model=model
    )
    section = config.model_config[model]
    registry.get_model_class(model).check_settings(section)
    for key, value in config.model_config[name].items():
        assert section[key] == value, key
    assert section.finetune_lr_multiplier == 0.25


def test_the_swap_is_one_word_under_a_stock_yaml(mmf_run):
    """The baseline's own YAML and options, with nothing but the model's name changed."""
    options = ("model_config.mmbt.finetune_lr_multiplier=0.5", *TEN_UPDATES)
    stock = mmf_run(*options, recipe="stock", model="mmbt", name="stock")
    ours = mmf_run(*options, recipe="stock", name="ours")
    assert ours.code == 0, ours.output[-3000:]
    stock_settings = stock.checkpoint()["config"]["model_config"]["mmbt"]
    our_settings = ours.checkpoint()["config"]["model_config"]["refnet_mmbt"]
    for key, value in stock_settings.items():
        if key != "model":
            assert our_settings[key] == value, key
    # Before the first update both have seen the same batch with the same weights.
    first = "train/hateful_memes/cross_entropy"
    assert ours.series(first)[0] == stock.series(first)[0]
    assert set(stock.model()) < set(ours.model())


def test_losses_and_diagnostics_are_in_the_log_and_in_tensorboard(mmf_run):
    run = mmf_run("training.tensorboard=True", recipe="refnetms_mini")
    assert run.code == 0, run.output[-3000:]
    prefix = "train/hateful_memes/"
    keys = [
        *("refiner_text", "refiner_image", "metric_loss", "cross_entropy"),
        *("refiner_text_r2", "refiner_text_target_variance", "refiner_text_unweighted"),
    ]
    for key in keys:
        assert len(run.series(prefix + key)) == 4, key
    total = sum(run.series(prefix + key)[0] for key in keys[:4])
    assert run.series("train/total_loss")[0] == pytest.approx(total, abs=2e-4)
    assert not any(
        "refiner" in key for line in run.progress for key in line.values if "val/" in key
    )
    events = EventAccumulator(str(next(run.folder.rglob("events.out.tfevents.*"))))
    events.Reload()
    assert {prefix + key for key in keys} <= set(events.Tags()["scalars"])


@pytest.mark.slow
def test_decoders_learn_are_saved_and_loaded_again(mmf_run):
    first = mmf_run()
    assert first.code == 0, first.output[-3000:]
    early = first.model("model_2.ckpt")
    late = first.model("model_4.ckpt")
    own = [name for name in late if name.startswith("refiner.")]
    assert own
    for name in own:
        assert not torch.equal(early[name], late[name]), name
    longer = ("training.max_updates=6", "training.checkpoint_interval=1")
    resumed = mmf_run("checkpoint.resume=True", *longer)
    assert resumed.code == 0, resumed.output[-3000:]
    updates = [line.update for line in resumed.progress if "train/total_loss" in line.values]
    assert updates == [5, 6]
    fresh = mmf_run(*longer, name="other").model("model_6.ckpt")
    for name in own:
        step = (resumed.model("model_6.ckpt")[name] - late[name]).abs().max()
        assert 0 < step < 0.1 * (fresh[name] - early[name]).abs().max() + 1e-2


def test_the_last_validation_may_be_the_best_where_no_other_was(mmf_run):
    done = mmf_run("training.evaluation_interval=100", model="refnet_mmbt")
    assert done.code == 0, done.output
    best, current = (
        torch.load(next(done.folder.rglob(name))) for name in ("best.ckpt", "current.ckpt")
    )
    assert best["best_update"] == best["num_updates"] == current["num_updates"]


@pytest.mark.slow
def test_a_checkpoint_is_evaluated_and_predicts(mmf_run):
    trained = mmf_run("run_type=train_val_test")
    best = next(trained.folder.rglob("best.ckpt"))
    options = (f"checkpoint.resume_file={best}", "checkpoint.resume_pretrained=False")
    tested = mmf_run(*options, "run_type=val_test", name="tested")
    assert tested.code == 0, tested.output[-3000:]
    seen, before = (
        json.loads(next(run.folder.rglob("evaluations.json")).read_text())
        for run in (tested, trained)
    )
    for split in ("val", "test"):
        assert f"{split}/hateful_memes/refnet_roc_auc" in seen[split]
        assert seen[split] == pytest.approx(before[split], rel=1e-6)
    predicted = mmf_run(*options, "run_type=test", "evaluation.predict=True", name="predicted")
    assert predicted.code == 0, predicted.output[-3000:]
    assert list(predicted.folder.rglob("*.csv"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model_config.refnet_mmbt.refiner.loss=cosin", "did you mean 'cosine'"),
        ("model_config.refnet_mmbt.refiner.weights.text=-1", "expected number from 0, got -1"),
    ],
)
def test_a_bad_setting_ends_the_stock_command_in_one_line(mmf_run, option, message):
    run = mmf_run(option)
    assert run.code != 0
    assert "Traceback" not in run.output
    last = run.output.strip().splitlines()[-1]
    assert last.startswith("refnet: error: model_config.refnet_mmbt.refiner.") and message in last
    assert not run.progress
    debug = mmf_run(option, environment={"REFNET_DEBUG": "1"})
    assert debug.code != 0 and "Traceback" in debug.output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("refnet.lables.fraction=0.1", "refnet: unknown option 'lables'; did you mean 'labels'?"),
        ("model_config.refnet_mmbt.refiner.margn=1", "unknown option 'margn'; did you mean 'marg"),
        ("model_config.refnet_mmbt.metric_loss.weight=0.2", "metric_loss is null; set the whole"),
    ],
)
def test_an_unknown_key_of_ours_ends_the_stock_command_in_one_line(mmf_run, option, message):
    run = mmf_run(option)
    assert run.code != 0
    assert "Traceback" not in run.output
    last = run.output.strip().splitlines()[-1]
    assert last.startswith("refnet: error: ") and message in last


def test_a_misspelt_model_ends_the_stock_command_in_one_line(mmf_run):
    run = mmf_run(recipe=PROJECT / "refnet_mini.yaml", model="refnet_mmbtt")
    assert run.code != 0
    assert "Traceback" not in run.output
    last = run.output.strip().splitlines()[-1]
    assert last.startswith("mmf: model=refnet_mmbtt: no such model is registered; near it: ['refn")


@pytest.mark.parametrize(
    ("recipe", "model"),
    [("baseline_mini_pixels", "mmbt"), ("refnet_mini_pixels", "refnet_mmbt")],
)
def test_pictures_train_the_image_encoder(mmf_run, recipe, model):
    run = mmf_run(recipe=recipe, model=model)
    assert run.code == 0, run.output[-3000:]
    early, late = run.model("model_2.ckpt"), run.model("model_4.ckpt")
    encoder = [name for name in late if ".modal_encoder.encoder.features.0." in name]
    assert encoder
    assert any(not torch.equal(early[name], late[name]) for name in encoder)
    assert len(run.series("test/hateful_memes/refnet_roc_auc")) == 1
