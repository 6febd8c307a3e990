"""The configuration section of a ReFNet model: its own keys over those of its stock twin."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from mmf.common.registry import registry
from mmf.utils.configuration import load_yaml
from omegaconf import DictConfig, OmegaConf, open_dict

OWN_BLOCKS = ("refiner", "metric_loss")

# How null may arrive from the command line, which MMF reads as Python, not as YAML.
NULLS = ("null", "None", "~")

Path = tuple[str, ...]


def complete_section(section: DictConfig, name: str, stock_name: str, stock_yaml: str) -> None:
    """Fill what ``model_config.<name>`` lacks from ``model_config.<stock_name>``, in place.

    So a stock command with nothing but the model's name changed keeps every stock setting, from
    any YAML file or the command line, and what stands in the model's own section wins.

    Where a default of the stock section refers to another key of it (``bert_model_name`` within
    ``text_encoder.params``), the copy refers to the same key of the own section.

    MMF's command line walks through a block without setting it, on both lines: what is said there
    of a whole block (``refiner=None``) is applied here, or it would be lost without a word.

    Args:
        section: the own section, part of MMF's configuration or a copy.
        name: its key under ``model_config``.
        stock_name: the stock model's key.
        stock_yaml: path of the stock model's default YAML, as its ``config_path()`` gives it.
    """
    config = registry.get("config", no_warning=True)
    if config is None or stock_name not in config.get("model_config", {}):
        return
    stock = OmegaConf.to_container(config.model_config[stock_name], resolve=True)
    own = OmegaConf.to_container(section, resolve=False)
    defaults = load_yaml(stock_yaml).model_config[stock_name]
    for path, reference in _references(defaults, stock_name):
        if _lookup(stock, path) == _lookup(stock, reference):
            _assign(stock, path, "${" + ".".join(["model_config", name, *reference]) + "}")
    with open_dict(section):
        for key, value in _merge(stock, own).items():
            section[key] = value
        for place, value in _command_line(name):
            there = OmegaConf.select(section, place)
            if isinstance(there, DictConfig) or isinstance(value, dict):
                OmegaConf.update(section, place, value, merge=False)
        for block in OWN_BLOCKS:
            if section.get(block) in NULLS:
                section[block] = None


def _command_line(name: str) -> Iterator[tuple[str, Any]]:
    """Yield path and value of what MMF's command line sets below ``model_config.<name>``."""
    configuration = registry.get("configuration", no_warning=True)
    options = list(getattr(getattr(configuration, "args", None), "opts", None) or [])
    pairs = (
        [option.partition("=")[::2] for option in options]
        if options and "=" in options[0]
        else zip(options[0::2], options[1::2], strict=False)
    )
    prefix = f"model_config.{name}."
    for key, value in pairs:
        if key.startswith(prefix):
            yield key[len(prefix) :], _value(value)


def _value(text: str) -> Any:
    """Read a value as Python, as MMF does, or as YAML; what is neither is a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _merge(under: Any, over: Any) -> Any:
    """Merge two nested mappings; where both have a value, ``over`` wins."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    merged = {**under, **over}
    return {
        key: _merge(under[key], over[key]) if key in under and key in over else value
        for key, value in merged.items()
    }


def _references(node: DictConfig, stock_name: str) -> Iterator[tuple[Path, Path]]:
    """Yield each path of ``node`` that refers to another key of the same section, and that key."""
    prefix = "${model_config." + stock_name + "."

    def walk(value: Any, path: Path) -> Iterator[tuple[Path, Path]]:
        if isinstance(value, dict):
            for key, child in value.items():
                yield from walk(child, (*path, key))
        elif isinstance(value, str) and value.startswith(prefix) and value.endswith("}"):
            yield path, tuple(value[len(prefix) : -1].split("."))

    yield from walk(OmegaConf.to_container(node, resolve=False), ())


def _lookup(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def _assign(tree: Any, path: Path, value: str) -> None:
    for key in path[:-1]:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    if isinstance(tree, dict) and path[-1] in tree:
        tree[path[-1]] = value
