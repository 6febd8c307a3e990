"""What a ReFNet model's section asks for: refiner, metric loss, and the stock losses that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mmf.common.registry import registry
from omegaconf import DictConfig, OmegaConf

from refnet_mmf.core.messages import unknown
from refnet_mmf.core.refiner import LOSSES
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.losses import FUSED_EMBEDDING, ListedMultiSimilaritySettings
from refnet_mmf.plugin.metric_loss import one_class_a_sample
from refnet_mmf.plugin.section import OWN_BLOCKS
from refnet_mmf.plugin.settings import (
    LibraryLossSettings,
    MetricLossSettings,
    RefinerSettings,
    read_block,
    read_metric_loss,
)

OF_LABEL_SETS = ("logit_bce", "bce")
"""MMF's losses of labels [B, C]."""


@dataclass(frozen=True)
class ModelSettings:
    """A ReFNet model's own settings, checked.

    Attributes:
        place: ``model_config.<model>``.
        refiner: None is the baseline.
        refiner_place: where it stands.
        metric_loss: None where there is none, or its weight is 0.
        metric_loss_name: under which it appears in MMF's log.
        stock_losses: the entries of a list ``losses:`` that MMF builds; None where it is no list.
    """

    place: str
    refiner: RefinerSettings | None
    refiner_place: str
    metric_loss: MetricLossSettings | None
    metric_loss_name: str
    stock_losses: tuple[Any, ...] | None


def read_model_settings(
    section: DictConfig, place: str, own_keys: Sequence[str] = OWN_BLOCKS
) -> ModelSettings:
    """Check a ReFNet model's section.

    Args:
        section: ``model_config.<model>``.
        place: that name, for messages.
        own_keys: keys that the stock model does not have.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    values: dict[str, Any] = OmegaConf.to_container(section, resolve=True)
    _check_for_misspelt_keys(values, place, own_keys)
    blocks = {key: values.get(key) for key in OWN_BLOCKS}
    refiner_place = f"{place}.refiner"
    stock_losses = []
    metric_loss_name = "metric_loss"
    listed = values.get("losses")
    for position, entry in enumerate(listed if isinstance(listed, list) else []):
        kind, params = _loss_entry(entry, f"{place}.losses[{position}]")
        if kind == "refiner":
            _refuse_both(place, "refiner", kind, blocks["refiner"])
            blocks["refiner"] = params
            refiner_place = f"{place}.losses[{position}].params"
        elif (
            kind == "multi_similarity"
            and params.get("embedding", FUSED_EMBEDDING) == FUSED_EMBEDDING
        ):
            _refuse_both(place, "metric_loss", kind, blocks["metric_loss"])
            read_block(ListedMultiSimilaritySettings, params, f"{place}.losses[{position}].params")
            blocks["metric_loss"] = {k: v for k, v in params.items() if k != "embedding"}
            metric_loss_name = kind
        else:
            stock_losses.append(entry)

    refiner, metric_loss = blocks["refiner"], blocks["metric_loss"]
    checked = None if metric_loss is None else read_metric_loss(metric_loss, f"{place}.metric_loss")
    if checked is not None and values.get("training_head_type") == "pretraining":
        raise RefnetError(
            f"{place}.metric_loss: training_head_type is 'pretraining', which has no labels: "
            "set metric_loss: null, or training_head_type: classification"
        )
    if isinstance(checked, LibraryLossSettings) and checked.weight > 0:
        for kind in (_loss_entry(entry, place)[0] for entry in stock_losses):
            if kind in OF_LABEL_SETS:
                raise RefnetError(one_class_a_sample(f"{place}.metric_loss", f"(losses: {kind})"))
    return ModelSettings(
        place=place,
        refiner=None if refiner is None else _read_refiner(refiner, refiner_place),
        refiner_place=refiner_place,
        metric_loss=None if checked is None or checked.weight == 0 else checked,
        metric_loss_name=metric_loss_name,
        stock_losses=tuple(stock_losses) if isinstance(listed, list) else None,
    )


def _read_refiner(values: Any, place: str) -> RefinerSettings:
    """Check the block ``refiner``, and refuse a setting that has no effect.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    settings = read_block(RefinerSettings, values, place)
    for name, loss in LOSSES.items():
        for key in set(loss.settings).difference(LOSSES[settings.loss].settings):
            if getattr(settings, key) != RefinerSettings.model_fields[key].default:
                raise RefnetError(
                    f"{place}.{key}: has no effect with loss {settings.loss!r}, only with {name!r}"
                )
    return settings


def refuse_blocks_in_stock_section(stock_name: str, name: str) -> None:
    """Refuse ``refiner:`` or ``metric_loss:`` in the stock model's section, where nothing reads it.

    Raises:
        RefnetError: there is one.
    """
    config = registry.get("config", no_warning=True)
    stock = {} if config is None else config.get("model_config", {}).get(stock_name, {})
    for block in OWN_BLOCKS:
        if block in stock:
            raise RefnetError(
                f"model_config.{stock_name}.{block}: a stock model's section has no such block; "
                f"it belongs in model_config.{name}.{block}"
            )


def _check_for_misspelt_keys(
    values: Mapping[str, Any], place: str, own_keys: Sequence[str]
) -> None:
    """Refuse a key that is nearly one of ours: MMF would swallow it, and train the default."""
    for key in values:
        if key not in own_keys and get_close_matches(str(key), own_keys, n=1, cutoff=0.75):
            raise RefnetError(unknown(place, "key", key, own_keys))


def _loss_entry(entry: Any, place: str) -> tuple[str, dict[str, Any]]:
    """Return type and parameters of an entry of ``losses:``; its type must be registered."""
    kind = entry.get("type") if isinstance(entry, Mapping) else entry
    known = registry.mapping["loss_name_mapping"]
    if kind not in known:
        raise RefnetError(unknown(f"{place}.type", "loss", kind, known))
    params = entry.get("params") if isinstance(entry, Mapping) else None
    return str(kind), dict(params or {})


def _refuse_both(place: str, block: str, kind: str, values: Any) -> None:
    if values is not None:
        raise RefnetError(
            f"{place}.losses: {kind!r} stands in this list and in {place}.{block}, and would count "
            f"twice: take it out of the list, or set {place}.{block}: null"
        )
