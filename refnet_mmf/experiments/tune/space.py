"""What is searched over: gamma and zeta, and the experiment that a setting of them is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refnet_mmf.experiments.experiment_names import MODALITIES
from refnet_mmf.experiments.grid.cell import Cell
from refnet_mmf.experiments.grid.options import GridError

DIGITS = 4
"""Decimals of a weight: that many stand in the command, so that it can be run alone."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both among them."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Setting:
    """A point of the search.

    Attributes:
        gamma: weight of the refiner's loss, by modality.
        zeta: weight of the metric loss; 0: there is none.
    """

    gamma: Mapping[str, float]
    zeta: float

    def __str__(self) -> str:
        values = [f"{self.gamma[name]:g}" for name in MODALITIES]
        return f"gamma{'_'.join(dict.fromkeys(values))}-zeta{self.zeta:g}"


@dataclass(frozen=True)
class Space:
    """All settings of a search.

    Attributes:
        gamma: of each modality's weight.
        zeta: of the metric loss' weight.
        per_modality: each modality has a gamma of its own.
    """

    gamma: Range
    zeta: Range
    per_modality: bool

    @property
    def ranges(self) -> dict[str, Range]:
        """The parameters of the search, by name."""
        names = [f"gamma_{name}" for name in MODALITIES] if self.per_modality else ["gamma"]
        return {**dict.fromkeys(names, self.gamma), "zeta": self.zeta}

    def setting(self, parameters: Mapping[str, float]) -> Setting:
        """Return the setting of these parameters, rounded to what its command says."""
        rounded = {name: round(value, DIGITS) for name, value in parameters.items()}
        gamma = {name: rounded.get(f"gamma_{name}", rounded.get("gamma", 0)) for name in MODALITIES}
        return Setting(gamma, rounded["zeta"])


def read_range(place: str, text: str) -> Range:
    """Read ``0:0.3``, or ``0.1`` for this value alone.

    Raises:
        GridError: it is neither, or not a range of weights.
    """
    parts = text.split(":")
    try:
        low, high = (float(parts[0]), float(parts[-1])) if len(parts) < 3 else (math.nan, 0.0)
    except ValueError:
        low, high = math.nan, 0.0
    if not (math.isfinite(high) and 0 <= low <= high):
        raise GridError(
            f"{place}: expected a range of weights from 0, as in 0:0.3, or one weight, got {text!r}"
        )
    return Range(round(low, DIGITS), round(high, DIGITS))


def searched_cell(
    data_set: str, model: str, setting: Setting, overrides: Sequence[str], *, test: bool
) -> Cell:
    """Return the experiment of a setting.

    Args:
        data_set: MMF's key of the data set.
        model: a folder of ``projects/<data set>/configs``.
        setting: the weights.
        overrides: further options, the same for all.
        test: evaluate the test split, too.
    """
    section = f"model_config.refnet_{model}"
    weights = [f"{section}.refiner.weights.{name}={setting.gamma[name]}" for name in MODALITIES]
    if setting.zeta:
        weights.append(f"{section}.metric_loss.weight={setting.zeta}")
    return Cell(
        data_set,
        model,
        "refnetms" if setting.zeta else "refnet",
        (*weights, *overrides),
        "-".join(filter(None, (str(setting), _mark(overrides), "" if test else "val"))),
        "train_val_test" if test else "train_val",
    )


def baseline_cell(data_set: str, model: str, overrides: Sequence[str]) -> Cell:
    """Return the experiment of the baseline, the test split included."""
    return Cell(data_set, model, "baseline", tuple(overrides), _mark(overrides))


def _mark(overrides: Sequence[str]) -> str:
    """Return what sets the folders of runs with these options apart from others'."""
    if not overrides:
        return ""
    return f"options{hashlib.sha256(' '.join(overrides).encode()).hexdigest()[:8]}"
