"""Checks that a model's classifier has an output for each class of the data set."""

from __future__ import annotations

from collections.abc import Callable

from omegaconf import DictConfig

from refnet_mmf.plugin.annotation_fields import ENTAILMENT_CLASSES, FIELDS
from refnet_mmf.plugin.class_files import class_file
from refnet_mmf.plugin.errors import RefnetError


def _with_unknown(section: DictConfig) -> int | None:
    """Return how many classes a class file makes: MMF adds ``<unk>`` to them."""
    file = class_file(section)
    return None if file is None else len(file.read()) + 1


COUNTS: dict[str, Callable[[DictConfig], int | None]] = {
    "hateful_memes": lambda section: None if section.get("fg_dataset_type", None) else 2,
    "mmimdb": _with_unknown,
    "visual_entailment": lambda section: len(ENTAILMENT_CLASSES),
}
"""By data set, how many classes it has, from its block of ``dataset_config``; None: unknown."""


def check_class_count(config: DictConfig, name: str, section: DictConfig) -> None:
    """Refuse a classifier whose outputs do not fit the classes of a data set.

    Args:
        config: MMF's complete configuration.
        name: the data set.
        section: its block of ``dataset_config``.

    Raises:
        RefnetError: one line with both numbers.
    """
    model = config.get("model_config", {}).get(config.model, None) or {}
    outputs = model.get("num_labels", None)
    classifies = model.get("training_head_type", "classification") == "classification"
    if name not in COUNTS or outputs is None or not classifies:
        return
    classes = COUNTS[name](section)
    sets = FIELDS[name].label_sets  # there, the outputs must be as many
    if classes is None or outputs == classes or (outputs > classes and not sets):
        return
    raise RefnetError(
        f"model_config.{config.model}.num_labels: is {outputs}, and {name} has {classes} classes"
        + (" with <unk>" if sets else "")
    )
