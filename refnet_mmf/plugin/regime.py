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
    return Regime(settings, read_block(LabelSettings, settings.labels, f"{PLACE}.labels"))
