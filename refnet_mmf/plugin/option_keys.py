"""Checks that the configuration has what an option of the command line sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig

from refnet_mmf.core.messages import unknown
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.yaml_keys import home_of

TAPS = "model_config.refnet.taps"


def check_option_keys(config: Mapping[str, Any], options: Mapping[str, str]) -> None:
    """Refuse an option that the configuration of YAML files does not have.

    Args:
        config: that configuration, without the command line's options.
        options: the command line's options by key, e.g. ``training.max_updates``.

    Raises:
        RefnetError: one line for the first such option.
    """
    for key, value in options.items():
        node: Any = config
        path: list[str] = []
        for part in key.split("."):
            name, _, index = part.partition("[")
            if not isinstance(node, DictConfig):
                raise RefnetError(_no_block(key, path, node, value))
            if name not in node:
                raise RefnetError(_unknown(path, name, node))
            path.append(part)
            node = node[name]
            if index:
                position = int(index.rstrip("]")) if index.rstrip("]").isdigit() else None
                if not isinstance(node, ListConfig) or position is None or position >= len(node):
                    raise RefnetError(f"{key}: {'.'.join(path)}: no such element")
                node = node[position]


def _unknown(path: Sequence[str], name: str, node: Mapping[Any, Any]) -> str:
    """Word the refusal of a key that no YAML has."""
    place = ".".join(path)
    key = f"{place}.{name}" if place else name
    belongs = home_of((*path, name))
    if belongs not in (None, key):
        return f"{key}: nothing reads it here; it belongs in {belongs}"
    if place.startswith(TAPS) or place.endswith(".params"):
        return f"{key}: is in no YAML of this run, and MMF's options change what is: write it there"
    return unknown(place or "command line", "option", name, map(str, node))


def _no_block(key: str, path: list[str], node: Any, value: str) -> str:
    """Word the refusal of a key below what has no keys; of a block that is null, how to set it."""
    above = ".".join(path)
    below = key.removeprefix(above).lstrip(".")
    if node is None and "." not in below:
        return f"""{key}: {above} is null; set the whole block: '{above}={{"{below}": {value}}}'"""
    return f"{key}: {above} is {node!r}, not a block with keys of its own"
