"""Which stock model a model is made of: those of one stock model can load each other's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmf.common.registry import registry

from refnet_mmf.plugin.models.any_model import RefNetOnAnyModel, base_of
from refnet_mmf.plugin.refnet import ReFNet


def stock_name_of(name: str, sections: Mapping[str, Any]) -> str:
    """Return the name of the stock model that the model ``name`` is, or is a ReFNet of.

    Args:
        name: a model's.
        sections: the models' sections, ``model_config``.
    """
    model = registry.get_model_class(name)
    if model is None or not issubclass(model, ReFNet):
        return name
    return base_of(sections[name]) if model is RefNetOnAnyModel else model.stock_name
