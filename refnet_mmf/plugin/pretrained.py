"""``from_pretrained`` of ReFNet models: from the zoo, a run's folder or a checkpoint file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from mmf.common.registry import registry
from mmf.utils.download import download_pretrained_model
from omegaconf import OmegaConf, open_dict
from torch import nn

from refnet_mmf.plugin.checkpoint_file import CheckpointFile, read_checkpoint
from refnet_mmf.plugin.errors import RefnetError


def load_pretrained(model_class: Any, source: str | Path) -> nn.Module:
    """Build a ReFNet model from a checkpoint, its own or its stock twin's, for inference.

    Args:
        model_class: the class, with ``name`` and ``stock_name``.
        source: a key of MMF's zoo (``mmbt.hateful_memes.images``), a folder or a file.

    Returns:
        The model in eval mode. Called, it returns scores and no losses.

    Raises:
        RefnetError: there is no such checkpoint, it is another model's, or it does not fit.
    """
    path = Path(source)
    if not path.exists() and not _is_zoo_key(str(source), model_class):
        raise RefnetError(
            f"{source}: no such file or folder, and no key of MMF's zoo that starts with "
            f"{model_class.stock_name}. or {model_class.name}."
        )
    folder = path if path.exists() else Path(download_pretrained_model(str(source)))
    return build_pretrained(model_class, read_checkpoint(folder))


def build_pretrained(model_class: Any, checkpoint: CheckpointFile) -> Any:
    """Build a ReFNet model from a checkpoint that has been read.

    Returns:
        The model in eval mode. Called, it returns scores and no losses.

    Raises:
        RefnetError: it is another model's checkpoint, or it does not fit.
    """
    section = checkpoint.section((model_class.name, model_class.stock_name))
    previous = registry.get("config", no_warning=True)
    registry.register("config", OmegaConf.create(dict(checkpoint.config)))
    try:
        with open_dict(section):
            section.model = model_class.name
        model = model_class(section)
        model.is_pretrained = True
        with _without_words_on_initial_weights():
            model.build()
        _load(model, checkpoint.weights, checkpoint.path)
    finally:
        registry.register("config", previous)
    return model.eval()


@contextmanager
def _without_words_on_initial_weights() -> Iterator[None]:
    """Have Transformers not warn of weights that are new: the checkpoint's take their place."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)


def _is_zoo_key(source: str, model_class: Any) -> bool:
    return source.partition(".")[0] in (model_class.name, model_class.stock_name)


def _load(model: Any, weights: Any, path: Path) -> None:
    own = model.state_dict()
    given = {model.format_state_key(key): value for key, value in weights.items()}
    # A checkpoint without a refiner, or with another one, is complete: it acts in training only.
    given = {k: v for k, v in given.items() if k in own or k.partition(".")[0] != "refiner"}
    try:
        model.load_state_dict(given, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise RefnetError(f"{path}: {' '.join(lines)}") from None
