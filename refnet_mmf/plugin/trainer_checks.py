"""What a training run may ask for, of this machine and of these ranks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmf.common.registry import registry
from omegaconf import OmegaConf

from refnet_mmf.core.global_batch import world_size
from refnet_mmf.core.messages import unknown
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.metrics import TWINS_OF_STOCK_METRICS
from refnet_mmf.plugin.settings import hint_for_string

DEVICES = ("cpu", "cuda", "xla")
RUN_TYPES = ("train", "val", "test", "inference", "predict")

logger = logging.getLogger("mmf.train.refnet")


def check_precision(training: Any) -> None:
    """Refuse a precision that the machine does not have, or two at once.

    Raises:
        RefnetError: one line.
    """
    fp16, bf16 = (training.get(key, False) for key in ("fp16", "bf16"))
    for key, value in (("fp16", fp16), ("bf16", bf16)):
        if not isinstance(value, bool):
            hint = hint_for_string(str(value))
            raise RefnetError(f"training.{key}: expected True or False, got {value!r}{hint}")
    if fp16 and bf16:
        raise RefnetError("training.fp16 and training.bf16: expected one of them, got both")
    if fp16 and not torch.cuda.is_available():
        raise RefnetError(
            "training.fp16: needs a GPU, and there is none; training.bf16=True runs without one"
        )
    count = training.get("update_frequency", 1)
    if not isinstance(count, int) or count < 1:
        raise RefnetError(f"training.update_frequency: expected a number above 0, got {count!r}")


def check_numbers(config: Any) -> None:
    """Refuse numbers of MMF's own settings that would stop a run in its middle, or be ignored.

    Raises:
        RefnetError: one line for the first that is wrong.
    """
    training = config.training
    for key in ("batch_size", "checkpoint_interval", "evaluation_interval", "log_interval"):
        _check_count(f"training.{key}", training.get(key), key in training)
    longest = training.get("max_grad_l2_norm", None)
    if longest is None and training.get("clip_gradients", False):
        raise RefnetError(
            "training.max_grad_l2_norm: is missing, and training.clip_gradients is on"
        )
    _check_positive("training.max_grad_l2_norm", longest)
    updates, epochs = (training.get(key, None) for key in ("max_updates", "max_epochs"))
    _check_positive("training.max_epochs", epochs)
    if updates is not None:
        _check_count("training.max_updates", updates, True)
    elif epochs is None:
        raise RefnetError("training.max_updates: is missing, and so is training.max_epochs")
    workers = training.get("num_workers", 0)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise RefnetError(f"training.num_workers: expected a whole number from 0, got {workers!r}")
    _check_device(str(training.get("device", "cpu")))
    keep = config.get("checkpoint", {}).get("max_to_keep", -1)
    if keep != -1:
        _check_count("checkpoint.max_to_keep", keep, True)


def _check_positive(place: str, value: Any) -> None:
    """Refuse what is neither null nor a number above 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 < value < math.inf):
        raise RefnetError(f"{place}: expected a number above 0, got {value!r}")


def _check_device(name: str) -> None:
    if name.partition(":")[0] not in DEVICES:
        raise RefnetError(unknown("training.device", "device", name, DEVICES))


def _check_count(place: str, value: Any, given: bool) -> None:
    if given and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise RefnetError(f"{place}: expected a whole number above 0, got {value!r}")


def check_optimizer(section: Any) -> None:
    """Refuse an optimizer that is not there, or whose parameters it does not take.

    Raises:
        RefnetError: one line.
    """
    kind = section.get("type", None)
    of_torch = {
        name: item
        for name, item in vars(torch.optim).items()
        if isinstance(item, type) and issubclass(item, torch.optim.Optimizer)
    }
    known = {**of_torch, **registry.mapping["optimizer_name_mapping"]}
    if kind is None:
        raise RefnetError("optimizer.type: is missing; no YAML of this run names an optimizer")
    if kind not in known:
        raise RefnetError(unknown("optimizer.type", "optimizer", kind, known))
    params = OmegaConf.to_container(section.get("params", None) or OmegaConf.create(), resolve=True)
    _check_no_texts("optimizer.params", params)
    try:
        known[kind]([torch.nn.Parameter(torch.zeros(1))], **params)
    except (TypeError, ValueError) as error:
        raise RefnetError(f"optimizer.params: {kind}: {' '.join(str(error).split())}") from None


def _check_no_texts(place: str, params: Mapping[Any, Any]) -> None:
    for key, value in params.items():
        if isinstance(value, str):
            said = f"expected a number, got {value!r}{hint_for_string(value)}"
            raise RefnetError(f"{place}.{key}: {said}")


def check_scheduler(config: Any) -> None:
    """Refuse a schedule of the learning rate that is not there.

    Raises:
        RefnetError: one line.
    """
    if not config.training.get("lr_scheduler", False):
        return
    kind = config.get("scheduler", {}).get("type", None)
    known = registry.mapping["scheduler_name_mapping"]
    if kind is not None and kind not in known:  # without one, MMF has a default and says so
        raise RefnetError(unknown("scheduler.type", "schedule", kind, known))
    _check_no_texts("scheduler.params", config.get("scheduler", {}).get("params", None) or {})


def check_zoo_override(config: Any) -> None:
    """Refuse to have the model's settings replaced by those of the zoo's model.

    Raises:
        RefnetError: they should be.
    """
    if config.checkpoint.get("zoo_config_override", False):
        raise RefnetError(
            "checkpoint.zoo_config_override: MMF would put the zoo's model in the place of "
            f"{config.model}; leave it out: the zoo's weights are loaded by checkpoint.resume_zoo"
        )


def check_run_type(run_type: str) -> None:
    """Refuse a ``run_type`` of which MMF would do nothing, or a part, without a word.

    Raises:
        RefnetError: one line.
    """
    for word in run_type.replace("+", "_").split("_"):
        if word not in RUN_TYPES:
            raise RefnetError(unknown("run_type", "part", word, RUN_TYPES))


def check_batch_size(training: Any) -> None:
    """Refuse a batch that the ranks can't share evenly.

    Raises:
        RefnetError: one line.
    """
    size, ranks = training.batch_size, world_size()
    if training.get("batch_size_per_device", None) is None and size % ranks:
        raise RefnetError(
            f"training.batch_size: {size} samples can't be shared by {ranks} ranks; "
            f"e.g. {max(size // ranks, 1) * ranks}"
        )


def warn_of_stock_metrics(metrics: Any) -> None:
    """Warn once of the stock metrics in a list ``evaluation.metrics``."""
    names = [metric if isinstance(metric, str) else metric.type for metric in metrics]
    stock = [name for name in names if not name.startswith("refnet_")]
    if stock:
        ours = [TWINS_OF_STOCK_METRICS[n] for n in stock if n in TWINS_OF_STOCK_METRICS]
        instead = f"; of the whole split are {', '.join(ours)}" if ours else ""
        logger.warning(
            f"evaluation.metrics: {', '.join(stock)}: on {world_size()} ranks a stock metric is "
            f"the mean of the ranks' own values, each of a share of the split{instead}."
        )


def refusal_of_data_parallel(devices: int, arguments: Sequence[str]) -> str:
    """Word the refusal of MMF's DataParallel.

    Args:
        devices: how many GPUs are visible.
        arguments: the command, its own name first.
    """
    options = " ".join(option for option in arguments[1:] if option != "run")
    return (
        f"{devices} GPUs are visible, among which MMF would split each batch in one process, and "
        "with it the batch that the losses compare; one process for each GPU: MMF_USER_DIR="
        f"refnet_mmf torchrun --nproc_per_node {devices} -m mmf_cli.run {options} (or one GPU: "
        "CUDA_VISIBLE_DEVICES=0)"
    )
