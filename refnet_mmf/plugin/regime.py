"""The training regime: what a run's top-level block ``refnet:`` asks for.

This schema is the documentation of the block. It stands in ``configs/regime.yaml``, which the
default YAML of each of the plugin's models includes.
"""

from __future__ import annotations

from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.settings import Block, read_block

PLACE = "refnet"
TRAINER = "refnet"


class LabelSettings(Block):
    """``refnet.labels``: the part of the training set whose labels are used (section 4.1, A.3)."""

    fraction: float = Field(1.0, gt=0, le=1, description="of the training samples; 1: all")
    seed: int = Field(0, ge=0, description="of the choice, and of that of pairing")
    stratified: bool = Field(False, description="each class keeps its share")
    unlabeled_per_labeled: int = Field(
        1,
        ge=0,
        le=1000,
        description="samples without label for each with one; they feed the refiner loss alone",
    )
    ids_file: str | None = Field(
        None, description="a file of the labelled samples' ids, one a line, instead of fraction"
    )


class RegimeSettings(Block):
    """``refnet``: labels, stage and pairing of a run."""

    labels: dict[str, Any] = Field(default_factory=dict, description="see `refnet.labels`")
    stage: Literal["train", "pretrain"] = Field(
        "train", description="pretrain: the refiner loss alone, no labels (Algorithm 1)"
    )
    pairing: Literal["matched", "shuffled_text", "shuffled_image"] = Field(
        "matched", description="shuffled: another sample's text, or picture (A.5)"
    )


class Regime:
    """A run's regime, checked.

    Attributes:
        labels: which samples' labels are used.
        pretrain: the refiner loss alone, without labels.
        pairing: whose text and picture make up a sample.
    """

    def __init__(self, settings: RegimeSettings, labels: LabelSettings) -> None:
        self.labels = labels
        self.pretrain = settings.stage == "pretrain"
        self.pairing = settings.pairing

    @property
    def uses_some_labels(self) -> bool:
        """Whether some of the training samples are used with their labels, and others without."""
        some = self.labels.fraction < 1 or self.labels.ids_file is not None
        return some and not self.pretrain


def settings_without_effect(
    regime: Regime, *, has_refiner: bool, has_metric_loss: bool
) -> list[str]:
    """Return a line for each setting of a regime's that changes nothing of a run.

    They are no errors: a sweep over ``fraction`` ends at 1, and both stages share a YAML.

    Args:
        regime: of the run.
        has_refiner: whether its model has a refiner that trains.
        has_metric_loss: whether it has a metric loss.
    """
    labels, fields = regime.labels, LabelSettings.model_fields
    changed = [key for key in fields if getattr(labels, key) != fields[key].default]
    idle: dict[str, str] = {}
    if regime.pretrain:
        idle = dict.fromkeys(changed, f"with {PLACE}.stage=pretrain, which uses no labels")
    elif not regime.uses_some_labels:
        idle = dict.fromkeys(changed, f"where all labels are used ({PLACE}.labels.fraction is 1)")
    elif not has_refiner:
        idle = {"unlabeled_per_labeled": "without a refiner"}
    if regime.pairing != "matched":
        idle.pop("seed", None)
    lines = [
        f"{PLACE}.labels.{key}: {getattr(labels, key)!r} has no effect {why}"
        for key, why in idle.items()
        if key in changed
    ]
    if regime.pretrain and has_metric_loss:
        lines.append(f"metric_loss: has no effect with {PLACE}.stage=pretrain, without labels")
    return lines


def regime_of(config: DictConfig | None) -> Regime:
    """Check the block ``refnet:``, and that the run's trainer knows it.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    regime = read_regime(config)
    trainer = None if config is None else config.get("training", {}).get("trainer", None)
    wants = [
        key
        for key, asked in (
            ("labels", regime.uses_some_labels),
            ("stage", regime.pretrain),
            ("pairing", regime.pairing != "matched"),
        )
        if asked
    ]
    if wants and trainer not in (None, TRAINER):
        raise RefnetError(
            f"{PLACE}.{wants[0]}: needs training.trainer: {TRAINER}, and the trainer is {trainer}"
        )
    return regime


def read_regime(config: DictConfig | None) -> Regime:
    """Check the block ``refnet:`` of MMF's configuration; where there is none, all is as stock.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    block = None if config is None else config.get(PLACE)
    values = OmegaConf.to_container(block, resolve=True) if OmegaConf.is_config(block) else block
    values = {} if values is None else values
    settings = read_block(RegimeSettings, values, PLACE)
    labels = read_block(LabelSettings, settings.labels, f"{PLACE}.labels")
    if labels.ids_file is not None and labels.fraction < 1:
        raise RefnetError(
            f"{PLACE}.labels: fraction {labels.fraction} and ids_file {labels.ids_file!r} both say "
            "which samples' labels are used: leave one of them out"
        )
    return Regime(settings, labels)
