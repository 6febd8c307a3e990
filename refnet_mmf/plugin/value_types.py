"""Checks that a setting is of the type of its default: a number, or true or false.

MMF's command line reads ``true`` as a string, and a string that says ``false`` counts as true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.regime import PLACE as REGIME
from refnet_mmf.plugin.section import OWN_BLOCKS
from refnet_mmf.plugin.settings import hint_for_string

Place = tuple[str, ...]

CHECKED_BY_SCHEMA = ("taps", *OWN_BLOCKS)


def check_types(config: DictConfig, defaults: DictConfig) -> None:
    """Refuse a string or a block where the default is a number or a boolean, and the reverse.

    Args:
        config: MMF's complete configuration.
        defaults: the same without what the user says.

    Raises:
        RefnetError: one line for the first such value.
    """
    values = OmegaConf.to_container(config, resolve=True)
    pairs = _pairs(values, OmegaConf.to_container(defaults, resolve=True), ())
    for place, value, default in pairs:
        expected = _expected(value, default)
        if expected:
            hint = hint_for_string(value) if isinstance(value, str) else ""
            raise RefnetError(f"{'.'.join(place)}: expected {expected}, got {value!r}{hint}")


def _expected(value: Any, default: Any) -> str | None:
    """Return what should stand where ``value`` does; None: it may stand there."""
    if isinstance(default, Mapping):
        is_null = value is None or value in ("null", "~")
        return None if is_null or isinstance(value, Mapping) else "a block of settings"
    if isinstance(default, bool) and isinstance(value, str | Mapping):
        # MMF takes any string for true.
        return None if value == "true" else "True or False"
    if isinstance(default, int | float) and isinstance(value, str | Mapping):
        return "a number"
    return None


def _pairs(values: Any, defaults: Any, place: Place) -> Iterator[tuple[Place, Any, Any]]:
    """Yield place, value and default of each setting that has a default."""
    for key in defaults:
        here = (*place, str(key))
        if key not in values or key in CHECKED_BY_SCHEMA or here == (REGIME,):
            continue
        value, default = values[key], defaults[key]
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            yield from _pairs(value, default, here)
        else:
            yield here, value, default
