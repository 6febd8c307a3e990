"""What is said of a training run that goes wrong, once, and while it can be mended."""

import json
import logging

import pytest
import torch
from torch import nn

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.run_watch import LONELY_BATCHES, RunWatch, gradient_metrics, gradient_norm

pytestmark = pytest.mark.mmf
VARIANCE = "train/memes/refiner_text_target_variance"
POSITIVES = "train/memes/metric_loss_with_positives"


def number(value):
    return torch.tensor([float(value)])


@pytest.fixture
def watch(tmp_path):
    positions = iter(range(1000))

    def batches(count):
        return [[next(positions), 1000] for _ in range(count)]

    return RunWatch(tmp_path, batches, lambda places: [f"id{p}" for p in places])


def decoder_with_gradient(value):
    decoder = nn.Linear(2, 1, bias=False)
    decoder.weight.grad = torch.full((1, 2), float(value))
    return decoder


def test_a_loss_that_is_not_finite_ends_the_run_and_names_its_batch(watch, tmp_path):
    for update in range(1, 5):
        bad = float("nan") if update >= 3 else 1.0
        watch.see(update, {"train/memes/bce": number(2), "train/memes/refiner": number(bad)}, {}, 2)
    with pytest.raises(RefnetError, match=r"^update 3: train/memes/refiner is nan; .*not_finite"):
        watch.look({})
    left = json.loads((tmp_path / "not_finite_rank0.json").read_text())
    assert left["update"] == 3
    assert left["losses"] == {"train/memes/bce": 2, "train/memes/refiner": "nan"}
    assert left["samples"] == ["id2", "id1000"]


def test_an_infinite_loss_counts_too_and_the_batches_of_earlier_looks_are_over(watch, tmp_path):
    watch.see(1, {"bce": number(1)}, {}, 2)
    watch.look({})
    watch.see(2, {"bce": number(float("inf"))}, {}, 2)
    with pytest.raises(RefnetError, match="update 2: bce is inf"):
        watch.look({})
    assert json.loads((tmp_path / "not_finite_rank0.json").read_text())["samples"][0] == "id1"


def test_who_wants_to_go_on_is_warned(watch, caplog):
    watch.stops = False
    for update in (1, 2):
        watch.see(update, {"bce": number(float("nan"))}, {}, 2)
        watch.look({})
    assert caplog.text.count("Loss not finite: update 1: bce is nan") == 1


def test_targets_that_collapse_are_told_once(watch, caplog):
    for value in (2.0, 1.0, 0.03, 0.01, 0.005):
        watch.see(1, {"bce": number(1)}, {VARIANCE: number(value)}, 2)
        watch.look({})
    (line,) = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert f"{VARIANCE} has fallen from 2 to 0.01" in line


def test_a_metric_loss_without_pairs_is_told_once(watch, caplog):
    def pass_batches(count, share):
        for update in range(count):
            watch.see(update, {"bce": number(1)}, {POSITIVES: number(share)}, 2)
        watch.look({})

    pass_batches(LONELY_BATCHES - 1, 0)
    pass_batches(1, 0.25)
    pass_batches(LONELY_BATCHES - 1, 0)
    assert not caplog.records
    pass_batches(1, 0)
    pass_batches(LONELY_BATCHES, 0)
    assert caplog.text.count("the metric loss pulls nothing together") == 1


def test_a_decoder_without_a_gradient_is_told_once(watch, caplog):
    decoders = {"text": decoder_with_gradient(1), "image": decoder_with_gradient(0)}
    norms = {name: gradient_norm(decoder) for name, decoder in decoders.items()}
    for update in (1, 2):
        watch.see(update, {"bce": number(1)}, {}, 2)
        watch.look(norms)
    assert caplog.text.count("The decoder of image gets no gradient") == 1
    assert "decoder of text" not in caplog.text


def test_gradient_norms_are_those_of_all_parameters_together():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    assert gradient_norm(model) == 0
    model(torch.randn(5, 3)).square().sum().backward()
    flat = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert torch.allclose(gradient_norm(model), flat.norm())
    (key,) = gradient_metrics({"text": gradient_norm(model)}, "train/memes")
    assert key == "train/memes/refiner_text_gradient_norm"


def assert_checkpoints_are_finite(folder):
    for path in folder.rglob("*.ckpt"):
        weights = torch.load(path, weights_only=True)["model"].values()
        assert all(torch.isfinite(w).all() for w in weights if w.is_floating_point()), path


def test_a_run_that_diverges_stops_and_keeps_its_earlier_checkpoints(mmf_run):
    options = ("optimizer.params.lr=1.0e+30", "training.max_updates=8")
    run = mmf_run(*options, "scheduler.params.num_warmup_steps=0", recipe="refnetms_mini")
    assert run.code != 0 and "Traceback" not in run.output, run.output[-3000:]
    last = run.output.strip().splitlines()[-1]
    assert last.startswith("refnet: error: update ") and "are of earlier updates" in last
    (file,) = run.folder.glob("not_finite_rank0.json")
    left = json.loads(file.read_text())
    assert len(left["samples"]) == 16 and all(name.isdigit() for name in left["samples"])
    assert_checkpoints_are_finite(run.folder)


def test_weights_that_are_not_finite_are_never_written(mmf_run):
    """The loss of the last batch is finite, its update is not: the next batch would tell."""
    run = mmf_run(
        "model_config.refnet_mmbt.refiner.weights={'text':1e30,'image':0}",
        *("optimizer.type=SGD", "optimizer.params={'lr':1e30}", "training.lr_scheduler=False"),
        *("training.checkpoint_interval=1", "training.evaluation_interval=100"),
    )
    assert run.code != 0, run.output[-3000:]
    assert "are not finite any more" in run.output.strip().splitlines()[-1], run.output[-500:]
    assert_checkpoints_are_finite(run.folder)


def test_values_that_are_no_numbers_are_words_in_what_a_run_leaves(mmf_run):
    run = mmf_run(
        "optimizer.params.lr=1.0e+30",
        "training.lr_scheduler=False",
        "training.exit_on_nan_losses=False",
    )
    assert run.code == 0, run.output[-3000:]
    assert "are not finite any more" in run.output and "are written as they are" in run.output

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    left = json.loads((run.folder / "evaluations.json").read_text(), parse_constant=refuse)
    assert left["val"]["val/total_loss"] == "nan"


def test_what_is_watched_is_in_the_log(mmf_run):
    run = mmf_run(recipe="refnetms_mini")
    for name in ("refiner_text_gradient_norm", "refiner_image_gradient_norm"):
        assert run.series(f"train/hateful_memes/{name}")[-1] > 0
    (*_, share) = run.series("train/hateful_memes/metric_loss_with_positives")
    assert 0.5 < share <= 1
    assert run.series("train/hateful_memes/metric_loss_embedding_variance")[-1] > 0


def test_a_batch_that_says_nothing_of_the_targets_is_no_collapse(watch, caplog):
    """The last batch of an epoch may hold no sample that has the modality."""
    for values in ((0.0, 0.0), (0.0, 2.0), (2.0, 0.0), (0.0, 1.9)):
        for value in values:
            watch.see(1, {"bce": number(1)}, {VARIANCE: number(value)}, 2)
        watch.look({})
    assert not caplog.records
    watch.see(1, {"bce": number(1)}, {VARIANCE: number(0)}, 2)
    watch.look({})
    assert "has fallen from 2 to 0" in caplog.text


def test_the_targets_of_a_single_sample_are_not_judged(watch, caplog):
    for value, samples in ((4.0, 8), (0.0, 1), (0.0, 1)):
        watch.see(1, {"bce": number(1)}, {VARIANCE: number(value)}, samples)
        watch.look({})
    assert not caplog.records
