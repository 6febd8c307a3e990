"""Checks a whole MMF command before it runs: names, keys, files and data.

MMF itself warns and goes on, or stops with a traceback somewhere inside, after minutes of loading.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmf.common.registry import registry
from mmf.utils.configuration import Configuration, load_yaml
from mmf.utils.env import setup_imports
from mmf.utils.general import get_absolute_path
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from refnet_mmf.core.messages import did_you_mean, near_file, nearest, unknown
from refnet_mmf.paths import PACKAGE, PROJECTS
from refnet_mmf.plugin.checkpoint_file import find_checkpoint
from refnet_mmf.plugin.class_files import dataset_names
from refnet_mmf.plugin.data_check import check_data
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.labelled_samples import read_ids
from refnet_mmf.plugin.option_keys import check_option_keys
from refnet_mmf.plugin.refnet import ReFNet, check_stage
from refnet_mmf.plugin.regime import regime_of
from refnet_mmf.plugin.trainer_checks import (
    check_numbers,
    check_optimizer,
    check_precision,
    check_run_type,
    check_scheduler,
    check_zoo_override,
)
from refnet_mmf.plugin.user_models import absolute, import_user_models
from refnet_mmf.plugin.value_types import check_types
from refnet_mmf.plugin.yaml_files import check_lists, check_yaml_files
from refnet_mmf.plugin.yaml_keys import check_yaml_keys

logger = logging.getLogger(__name__)

# What decides which YAML files make up the configuration; all else must be a key of these.
ESSENTIAL = ("config", "model", "dataset", "datasets", "env.user_dir")


def check_command(options: Sequence[str], *, with_data: bool = True) -> list[str]:
    """Check the options of an MMF command.

    Args:
        options: as typed, ``KEY=VALUE`` or alternating.
        with_data: check the data's files too; False where they are still to be made.

    Returns:
        The options to run, with the path of ``config`` made absolute.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    values = _as_mapping(options)
    setup_imports()
    file = _find_config(values["config"]) if "config" in values else None
    if file is not None:
        values["config"] = str(file)
        check_yaml_files(file)
        check_lists(file, {})
    if "env.user_dir" in values:
        values["env.user_dir"] = absolute(values["env.user_dir"])
    import_user_models(values.get("env.user_dir"), file)
    for key, kind, registered in (
        ("model", "model", registry.mapping["model_name_mapping"]),
        ("dataset", "data set", registry.mapping["builder_name_mapping"]),
    ):
        names = values.get(key, values.get("datasets") if key == "dataset" else None)
        if names is None:
            raise RefnetError(f"{key}= is missing; e.g. {_example(values)}")
        for name in names.split(",") if key == "dataset" else [names]:
            if name not in registered:
                raise RefnetError(unknown(key, kind, name, registered))
    data_dir = Path(values.get("env.data_dir", "-"))
    if data_dir.is_dir():  # MMF looks for some files of a relative one in its own folder
        values["env.data_dir"] = str(data_dir.resolve())
    essential = {key: value for key, value in values.items() if key in ESSENTIAL}
    others = {key: value for key, value in values.items() if key not in ESSENTIAL}
    known = _build_configuration({k: v for k, v in essential.items() if k != "config"})
    if file is not None:
        check_lists(file, OmegaConf.to_container(known))
    check_option_keys(_build_configuration(essential), others)
    config = _build_configuration(values)
    model = registry.get_model_class(config.model)
    settings = None
    if issubclass(model, ReFNet):
        settings = model.check_settings(config.model_config[config.model])
    registry.register("config", config)
    if file is not None:
        check_yaml_keys(values["config"], config, known)
    check_types(config, known)
    check_run_type(str(config.run_type))
    check_zoo_override(config)
    _check_losses(config)
    _check_parts(config)
    _check_checkpoint(config)
    regime = regime_of(config)
    if settings is not None:
        check_stage(regime, settings, has_refiner=settings.refiner is not None)
    if regime.labels.ids_file is not None:
        read_ids(Path(regime.labels.ids_file))
    check_precision(config.training)
    check_numbers(config)
    _check_save_dir(config)
    if "train" in config.run_type:
        check_optimizer(config.optimizer)
        check_scheduler(config)
    if not regime.pretrain:
        _check_metrics(config)
    if with_data:
        _check_data(config)
    return _as_options(values)


def _as_mapping(options: Sequence[str]) -> dict[str, str]:
    """Split ``KEY=VALUE`` options, or alternating keys and values, as MMF reads them."""
    for before, option in zip(("", *options), options, strict=False):
        if option.endswith((".yaml", ".yml")) and "=" not in option and before != "config":
            raise RefnetError(f"{option!r}: a YAML file is named by config={option}")
    if options and "=" not in options[0]:
        if len(options) % 2:
            raise RefnetError(f"{options[-1]!r} has no value; options are KEY=VALUE")
        return dict(zip(options[0::2], options[1::2], strict=True))
    for option in options:
        if "=" not in option:
            raise RefnetError(f"{option!r} has no value; options are KEY=VALUE")
    return dict(option.split("=", maxsplit=1) for option in options)


def _as_options(values: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]


def _example(values: Mapping[str, str]) -> str:
    given = {"model": "refnet_mmbt", "dataset": "hateful_memes", **values}
    return f"refnet run model={given['model']} dataset={given['dataset']}"


def _find_config(path: str) -> Path:
    """Find a YAML file where MMF would, or among the plugin's own."""
    with _quiet():  # MMF builds a configuration for it
        candidates = [Path(get_absolute_path(path)), PACKAGE / path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
        if candidate.is_dir():
            raise RefnetError(f"config: {path}: is a folder, not a YAML file")
    own = sorted(str(f.relative_to(PACKAGE)) for f in PROJECTS.rglob("*.yaml"))
    guess = nearest(path, own)
    hint = near_file(Path(path)) or did_you_mean(guess)
    raise RefnetError(f"config: no such file: {path}{hint}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave it to the run itself to print and to warn."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _build_configuration(values: Mapping[str, str]) -> DictConfig:
    """Let MMF build its configuration from these options; word its errors in one line."""
    arguments = argparse.Namespace(config_override=None, opts=_as_options(values))
    try:
        with _quiet():
            configuration = Configuration(arguments)
            registry.register("configuration", configuration)
            config: DictConfig = configuration.get_config()
            OmegaConf.to_container(config, resolve=True)
    except (AttributeError, OmegaConfBaseException, OSError, YAMLError) as error:
        raise RefnetError(f"configuration: {' '.join(str(error).split())}") from None
    return config


def _check_losses(config: DictConfig) -> None:
    """Refuse a loss that nobody has registered, of any model."""
    section = config.get("model_config", {}).get(config.model, {})
    known = registry.mapping["loss_name_mapping"]
    for place, entry in _losses(section, f"model_config.{config.model}").items():
        kind = entry.get("type") if isinstance(entry, Mapping) else entry
        if kind not in known:
            raise RefnetError(unknown(f"{place}.type", "loss", kind, known))


def _losses(section: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the losses of a model by their place: a list, or (UNITER) one for each data set."""
    losses = section.get("losses", None)
    if isinstance(losses, Mapping):
        return {f"{place}.losses.{name}": loss for name, loss in losses.items()}
    listed = _list_of("losses", section, place)
    return {f"{place}.losses[{position}]": loss for position, loss in enumerate(listed)}


def _list_of(key: str, section: Mapping[str, Any], place: str) -> list[Any]:
    """Return the list that stands under a key; an empty one where there is no such key.

    Raises:
        RefnetError: what stands there is no list.
    """
    if key not in section:
        return []
    if not isinstance(section[key], Sequence) or isinstance(section[key], str):
        raise RefnetError(f"{place}.{key}: expected a list, got {section[key]!r}")
    return list(section[key])


def _check_parts(config: DictConfig) -> None:
    """Refuse a trainer, or a processor of a data set, that nobody has registered."""
    trainer = config.training.get("trainer", None)
    trainers = registry.mapping["trainer_name_mapping"]
    if trainer not in trainers:
        raise RefnetError(unknown("training.trainer", "trainer", trainer, trainers))
    known = registry.mapping["processor_name_mapping"]
    for name in dataset_names(config):
        section = config.get("dataset_config", {}).get(name, None) or {}
        for key, block in (section.get("processors", None) or {}).items():
            kind = block.get("type", None) if isinstance(block, Mapping) else None
            if kind is not None and kind not in known:
                place = f"dataset_config.{name}.processors.{key}.type"
                raise RefnetError(unknown(place, "processor", kind, known))


def _check_save_dir(config: DictConfig) -> None:
    """Refuse a folder to save in that is a file, or below one, or that can't be written to."""
    folder = Path(config.env.save_dir)
    if folder.is_symlink() and not folder.exists():
        raise RefnetError(f"env.save_dir: {folder}: is a link to {folder.readlink()}, not there")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise RefnetError(f"env.save_dir: {folder}: {there} is a file")
    if not os.access(there, os.W_OK):
        raise RefnetError(f"env.save_dir: {folder}: {there} can't be written to")


def _check_checkpoint(config: DictConfig) -> None:
    """Refuse a checkpoint that is not there, or that the zoo does not have; warn of none."""
    section = config.checkpoint
    file, key = section.get("resume_file", None), section.get("resume_zoo", None)
    if "train" not in config.run_type and not (file or key or section.get("resume", False)):
        logger.warning(
            f"run_type={config.run_type}, and no checkpoint is named: the weights are untrained "
            "(checkpoint.resume_file=FILE, or checkpoint.resume=True)"
        )
    if file is not None and "://" not in str(file):
        try:
            find_checkpoint(Path(get_absolute_path(str(file))), folders=False)
        except RefnetError as error:
            raise RefnetError(f"checkpoint.resume_file: {error}") from None
    if key is None or Path(get_absolute_path(key)).exists():
        return
    known = list(_zoo_keys(load_yaml("configs/zoo/models.yaml")))
    if key not in known and f"{key}.defaults" not in known:
        raise RefnetError(
            f"checkpoint.resume_zoo: unknown model of MMF's zoo {key!r}; "
            f"near it: {', '.join(get_close_matches(key, known)) or 'none'}"
        )


def _zoo_keys(zoo: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the key of each entry of a zoo file, e.g. ``mmbt.hateful_memes.images``."""
    for name, entry in zoo.items():
        if isinstance(entry, Mapping) and "resources" not in entry:
            yield from _zoo_keys(entry, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _check_metrics(config: DictConfig) -> None:
    """Refuse a metric that nobody has registered, and a criterion that no validation computes."""
    metrics = _list_of("metrics", config.evaluation, "evaluation")
    known = registry.mapping["metric_name_mapping"]
    for position, name in enumerate(_names(metrics, "type")):
        if name not in known:
            raise RefnetError(unknown(f"evaluation.metrics[{position}]", "metric", name, known))
    section = config.get("model_config", {}).get(config.model, {})
    if "train" not in config.run_type or section.get("losses", None) is None:
        return
    losses = _losses(section, f"model_config.{config.model}").values()
    computed = [*_names(metrics, "key", "type"), *_names(list(losses), "type")]
    values = [f"{data}/{name}" for data in dataset_names(config) for name in computed]
    criterion = str(config.training.early_stop.criteria)
    # MMF puts val/ before a criterion unless "val" stands anywhere in it.
    value = criterion.removeprefix("val/") if "val" in criterion else criterion
    if value != "total_loss" and not f"{value}/".startswith(tuple(f"{v}/" for v in values)):
        place = "training.early_stop.criteria"
        raise RefnetError(
            unknown(place, "value of a validation", criterion, ["total_loss", *values])
        )


def _names(entries: Sequence[Any], *keys: str) -> list[str]:
    """Return the names in a list of names and blocks, whose name stands under one of ``keys``."""
    return [
        next((str(entry[key]) for key in keys if key in entry), "null")
        if isinstance(entry, Mapping)
        else str(entry)
        for entry in entries
    ]


def _check_data(config: DictConfig) -> None:
    """Refuse a data folder that is not there, and files in it that do not fit the configuration."""
    data_dir = Path(get_absolute_path(str(config.env.data_dir)))
    if not data_dir.is_dir():
        raise RefnetError(f"env.data_dir: no such folder: {data_dir}")
    check_data(config)
