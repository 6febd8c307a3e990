"""The MMF that is installed, of either line: it runs, and what was mended is right."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sklearn.metrics import average_precision_score, f1_score

from tests.porting import tiny_memes

pytestmark = [
    pytest.mark.mmf,
    pytest.mark.skipif(importlib.util.find_spec("mmf") is None, reason="MMF is not installed"),
]


def _line() -> str:
    """Which line of MMF is installed, in the words of ``tiny_memes``."""
    try:
        version = importlib.metadata.version("mmf").partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return "none"
    return version if version in tiny_memes.VERSIONS else "main"


LINE = _line()


@pytest.fixture
def registry() -> Iterator[Any]:
    """MMF's registry, given back as it was."""
    from mmf.common.registry import registry
    from mmf.utils.env import setup_imports

    setup_imports()
    before = dict(registry.mapping["state"])
    yield registry
    registry.mapping["state"] = before


def configuration(*options: str, override: str | None = None) -> Any:
    """The configuration of a command line."""
    from mmf.utils.configuration import Configuration

    options = ("dataset=hateful_memes", "model=visual_bert", *options)
    return Configuration(Namespace(opts=list(options), config_override=override)).get_config()


def metrics(registry: Any, *entries: object, scores: Any, targets: Any) -> dict[str, float]:
    """Values of metrics by their names, computed as a trainer does."""
    from mmf.common.sample import SampleList
    from mmf.modules.metrics import Metrics

    batch = SampleList()
    batch.dataset_type, batch.dataset_name = "val", "any"
    batch.add_field("targets", torch.as_tensor(targets))
    compute = Metrics(OmegaConf.create(list(entries)))
    values = compute(batch, {"scores": torch.as_tensor(scores)})
    return {key.split("/")[-1]: value.item() for key, value in values.items()}


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_multilabel_f1_is_that_of_scikit_learn(registry: Any, average: str) -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(64, 7)).astype("float32")
    targets = (random.random((64, 7)) < 0.4).astype("float32")
    name = f"multilabel_{average}_f1"
    value = metrics(registry, name, scores=scores, targets=targets)[name]
    assert value == pytest.approx(f1_score(targets, scores > 0, average=average))


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_average_precision_is_that_of_scikit_learn(registry: Any, average: str) -> None:
    random = np.random.default_rng(1)
    scores = torch.tensor(random.normal(size=(64, 3)))
    targets = random.integers(3, size=64)
    value = metrics(registry, f"{average}_ap", scores=scores, targets=targets)[f"{average}_ap"]
    expected = average_precision_score(np.eye(3)[targets], scores.softmax(-1), average=average)
    assert value == pytest.approx(expected)


def test_a_metric_gets_its_params(registry: Any) -> None:
    scores, targets = np.eye(3, dtype="float32")[[0, 1, 2, 2]], np.array([0, 1, 1, 2])
    entry = {"type": "f1", "params": {"average": "macro"}}
    value = metrics(registry, entry, scores=scores, targets=targets)["f1"]
    assert value == pytest.approx(f1_score(targets, scores.argmax(1), average="macro"))


def test_seed_zero_is_a_seed() -> None:
    from mmf.utils.env import set_seed

    drawn = []
    for _ in range(2):
        set_seed(0)
        drawn.append((torch.rand(1).item(), np.random.rand()))
    assert drawn[0] == drawn[1]


def test_an_unknown_model_stops_the_run(registry: Any) -> None:
    message = r"^mmf: model=visual_bart: no such model is registered; near it: \['visual_bert'"
    with pytest.raises(SystemExit, match=message):
        configuration("model=visual_bart")


def test_overrides_on_the_command_line(registry: Any) -> None:
    config = configuration(
        "env.save_dir=a=b",
        "training.early_stop=None",
        "optimizer={'type': 'adam_w'}",
        override='{"training": {"batch_size": 3}}',
    )
    assert config.env.save_dir == "a=b"
    assert config.training.early_stop is None
    assert config.optimizer == {"type": "adam_w"}
    assert config.training.batch_size == 3


def test_an_element_of_a_list_can_be_overridden(registry: Any, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(tiny_memes.settings(tmp_path))
    config = configuration(f"config={path}", "model_config.visual_bert.losses[0]=logit_bce")
    assert config.model_config.visual_bert.losses == ["logit_bce"]


def test_a_resumed_run_remembers_its_best_update(registry: Any) -> None:
    from mmf.utils.early_stopping import EarlyStopping

    stopping = EarlyStopping(None, None, "any/accuracy")
    stopping.init_from_checkpoint({"best_iteration": 8, "best_update": 4, "best_metric_value": 0.5})
    assert stopping.best_monitored_update == 4


def test_a_checkpoint_with_foreign_objects_has_to_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmf.utils.checkpoint import _load_file

    path = tmp_path / "model.ckpt"
    torch.save({"model": {"w": torch.ones(1)}, "value": Fraction(1, 2)}, path)
    monkeypatch.delenv("MMF_TRUST_CHECKPOINTS", raising=False)
    with pytest.raises(RuntimeError, match="model.ckpt: .* set MMF_TRUST_CHECKPOINTS=1$"):
        _load_file(str(path), "cpu")
    monkeypatch.setenv("MMF_TRUST_CHECKPOINTS", "1")
    assert _load_file(str(path), "cpu")["value"] == Fraction(1, 2)


def test_a_checkpoint_of_stock_mmf_needs_no_trust(tmp_path: Path) -> None:
    from mmf.utils.checkpoint import _load_file

    config = OmegaConf.create({"betas": [0.9, 0.999], "model": {"name": None, "lr": "${betas[0]}"}})
    torch.save({"model": {"w": torch.ones(1)}, "config": config}, tmp_path / "model.ckpt")
    assert _load_file(str(tmp_path / "model.ckpt"), "cpu")["config"] == config


def test_a_checkpoint_of_the_default_schedule_needs_no_trust(registry: Any, tmp_path: Path) -> None:
    from mmf.utils.build import build_scheduler
    from mmf.utils.checkpoint import _load_file

    training = {"use_warmup": True, "warmup_iterations": 2, "lr_steps": [4], "lr_ratio": 0.1}
    config = {"training": {**training, "warmup_factor": 0.2, "lr_scheduler": True}}
    config["scheduler"] = {"type": "pythia", "params": {}}
    registry.register("config", OmegaConf.create(config))
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = build_scheduler(optimizer, registry.get("config"))
    torch.save({"lr_scheduler": schedule.state_dict()}, tmp_path / "model.ckpt")
    state = _load_file(str(tmp_path / "model.ckpt"), "cpu")["lr_scheduler"]
    assert state["last_epoch"] == schedule.last_epoch


def test_the_optimizer_holds_plain_values(registry: Any) -> None:
    from mmf.utils.build import build_optimizer

    config = OmegaConf.create(
        {
            "betas": [0.8, 0.9],
            "optimizer": {"type": "adam_w", "params": {"lr": 0.1, "betas": "${betas}"}},
        }
    )
    optimizer = build_optimizer(torch.nn.Linear(1, 1), config)
    assert type(optimizer.param_groups[0]["betas"]) in (list, tuple)


def test_a_loss_whose_name_starts_with_multi(registry: Any) -> None:
    from mmf.modules.losses import MMFLoss

    class Loss(torch.nn.Module):
        def __init__(self, scale: float = 1.0) -> None:
            super().__init__()
            self.scale = scale

    registry.register_loss("multi_of_a_test")(Loss)
    try:
        entry = {"type": "multi_of_a_test", "params": {"scale": 2.0}}
        assert MMFLoss(entry).loss_criterion.scale == 2.0
        assert MMFLoss("multi_of_a_test").loss_criterion.scale == 1.0
    finally:
        del registry.mapping["loss_name_mapping"]["multi_of_a_test"]


def test_a_run_trains_resumes_and_ends(tmp_path: Path) -> None:
    tiny_memes.make(tmp_path, LINE)
    path = tmp_path / "settings.yaml"
    path.write_text(tiny_memes.settings(tmp_path))
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "MMF_CACHE_DIR": str(tmp_path / "cache"),
    }

    def run(*options: str) -> dict[str, Any]:
        words = (f"config={path}", "model=visual_bert", "dataset=hateful_memes", *options)
        done = subprocess.run(
            [sys.executable, "-m", "mmf_cli.run", f"env.save_dir={tmp_path}/run", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        checkpoint = tmp_path / f"run/models/model_{options[-1].split('=')[1]}.ckpt"
        return dict(torch.load(checkpoint, weights_only=True))

    def learning_rate(checkpoint: dict[str, Any]) -> float:
        return float(checkpoint["optimizer"]["param_groups"][0]["lr"])

    trained = run("run_type=train_val_test", "training.max_updates=3")
    assert trained["num_updates"] == 3
    assert learning_rate(trained) == pytest.approx(1e-3 * 0.7)
    assert list((tmp_path / "run/logs").glob("tensorboard_*/events.*"))
    assert not list((tmp_path / "run/models").glob("model_4.ckpt"))

    resumed = run("run_type=train_val", "checkpoint.resume=True", "training.max_updates=5")
    assert resumed["num_updates"] == 5
    assert learning_rate(resumed) == pytest.approx(1e-3 * 0.5)
