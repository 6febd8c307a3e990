"""What a training run may ask for."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.trainer_checks import (
    check_batch_size,
    check_numbers,
    check_optimizer,
    check_precision,
    refusal_of_data_parallel,
    warn_of_stock_metrics,
)

pytestmark = pytest.mark.mmf


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"fp16": True}, "training.fp16: needs a GPU"),
        ({"fp16": True, "bf16": True}, "expected one of them, got both"),
        ({"bf16": "true"}, "training.bf16: expected True or False, got 'true'"),
        ({"update_frequency": 0}, "training.update_frequency: expected a number above 0, got 0"),
        ({"update_frequency": 1.5}, "training.update_frequency: expected a number above 0"),
    ],
)
def test_a_precision_that_cannot_be_had_is_refused(training, message):
    with pytest.raises(RefnetError, match=message):
        check_precision(OmegaConf.create(training))


def test_what_can_be_had_passes():
    check_precision(OmegaConf.create({"bf16": True, "update_frequency": 4}))
    check_batch_size(OmegaConf.create({"batch_size": 7}))


GOOD = {
    "batch_size": 8,
    "max_updates": 10,
    "max_epochs": None,
    "checkpoint_interval": 1,
    "evaluation_interval": 1,
    "log_interval": 1,
}


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"max_updates": -5}, "training.max_updates: expected a whole number above 0, got -5"),
        ({"max_updates": 2.5}, "training.max_updates: expected a whole number above 0, got 2.5"),
        ({"max_updates": None}, "training.max_updates: is missing, and so is training.max_epochs"),
        ({"max_epochs": 0}, "training.max_epochs: expected a number above 0, got 0"),
        ({"max_grad_l2_norm": -1}, "training.max_grad_l2_norm: expected a number above 0, got -1"),
        ({"max_grad_l2_norm": "big"}, "max_grad_l2_norm: expected a number above 0, got 'big'"),
        ({"max_grad_l2_norm": float("nan")}, "max_grad_l2_norm: expected a number above 0"),
        ({"max_grad_l2_norm": True}, "max_grad_l2_norm: expected a number above 0, got True"),
        ({"clip_gradients": True}, "training.max_grad_l2_norm: is missing"),
    ],
    ids=str,
)
def test_numbers_that_would_stop_a_run_or_train_it_wrongly_are_refused(training, message):
    check_numbers(OmegaConf.create({"training": GOOD}))
    check_numbers(OmegaConf.create({"training": {**GOOD, "max_updates": None, "max_epochs": 0.5}}))
    with pytest.raises(RefnetError, match=message):
        check_numbers(OmegaConf.create({"training": {**GOOD, **training}}))


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ({"type": "adamw"}, "optimizer.type: unknown optimizer 'adamw'; did you mean 'adam_w'?"),
        ({}, "optimizer.type: is missing"),
        ({"type": "adam_w", "params": {"lr": "fast"}}, "lr: expected a number, got 'fast'"),
        ({"type": "SGD", "params": {"lr": -1.0}}, "optimizer.params: SGD: .*learning rate: -1.0"),
        ({"type": "adam_w", "params": {"learn": 1.0}}, "adam_w: .*unexpected keyword.*'learn'"),
    ],
)
def test_an_optimizer_that_cannot_be_built_is_refused(optimizer, message):
    with pytest.raises(RefnetError, match=message):
        check_optimizer(OmegaConf.create(optimizer))


def test_optimizers_of_mmf_and_of_torch_pass():
    check_optimizer(OmegaConf.create({"type": "adam_w", "params": {"lr": 1e-4, "eps": 1e-8}}))
    check_optimizer(OmegaConf.create({"type": "SGD", "params": {"lr": 0.1, "momentum": 0.9}}))


def test_data_parallel_is_refused_with_the_command_to_type():
    line = refusal_of_data_parallel(4, ["/bin/mmf_run", "config=a.yaml", "model=refnet_mmbt"])
    assert "\n" not in line
    command = "torchrun --nproc_per_node 4 -m mmf_cli.run config=a.yaml model=refnet_mmbt "
    assert command in line


def test_stock_metrics_are_named_with_ours_that_say_the_same(caplog):
    metrics = OmegaConf.create(["roc_auc", {"type": "accuracy"}, "refnet_macro_f1", "vqa_accuracy"])
    warn_of_stock_metrics(metrics)
    (record,) = caplog.records
    assert "roc_auc, accuracy, vqa_accuracy: on 1 ranks a stock metric" in record.message
    assert "of the whole split are refnet_roc_auc, refnet_accuracy." in record.message
    caplog.clear()
    warn_of_stock_metrics(OmegaConf.create(["refnet_roc_auc"]))
    assert not caplog.records
