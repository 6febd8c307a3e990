"""What differs between MMF's two lines: the PyPI line (1.0.0rc10) and GitHub's main.

Nothing else in the package asks which line it runs on.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from mmf.common.registry import registry
from mmf.datasets.databases.image_database import ImageDatabase
from mmf.datasets.processors.processors import BaseProcessor
from mmf.modules import encoders
from mmf.utils.file_io import PathManager
from mmf.utils.general import get_absolute_path, get_mmf_root
from torch import nn

__all__ = [
    "LINE",
    "StockTrainer",
    "accept_box_processor",
    "checkpoints_kept_by",
    "image_database",
    "register_image_encoder",
    "register_picture_datasets",
    "vocabulary_path",
]

LINE: Literal["pypi", "main"] = "main" if hasattr(registry, "register_encoder") else "pypi"

if LINE == "main":
    from mmf.trainers.callbacks import checkpoint as _makes_checkpoints
    from mmf.trainers.mmf_trainer import MMFTrainer as StockTrainer
else:
    from mmf.trainers import base_trainer as _makes_checkpoints
    from mmf.trainers.base_trainer import BaseTrainer as StockTrainer

_FACTORY_NAME = "ImageEncoderFactory" if LINE == "main" else "ImageEncoder"


def register_image_encoder(name: str, encoder: type[nn.Module]) -> None:
    """Make ``modal_encoder: {type: name, params: ...}`` build ``encoder(params)`` in every model.

    Neither line has a registry for the image encoders of its models: their factory knows a fixed
    list. It is replaced by one that knows this name too and leaves all others to the stock one.
    """
    stock_factory: Any = getattr(encoders, _FACTORY_NAME)

    class ImageEncoderFactory(stock_factory):
        def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
            if config.type != name:
                super().__init__(config, *args, **kwargs)
                return
            nn.Module.__init__(self)
            self._type = name
            self.module = encoder(config.params)

    setattr(encoders, _FACTORY_NAME, ImageEncoderFactory)


def accept_box_processor() -> None:
    """Let ``transformer_bbox_processor`` stand in a data set's YAML on both lines.

    On main a data set makes the boxes of its regions by it, where a YAML has it. On the PyPI line
    the models make them, and no such processor is known: there it is taken, and never called.
    """
    if LINE == "pypi":
        registry.register_processor("transformer_bbox")(BaseProcessor)


@contextmanager
def checkpoints_kept_by(checkpoint_class: type) -> Iterator[None]:
    """Let the trainer that is set up within this context keep its checkpoints by this class.

    Neither line asks its trainer for the class: the module that makes the object names it.
    """
    stock = _makes_checkpoints.Checkpoint
    _makes_checkpoints.Checkpoint = checkpoint_class
    try:
        yield
    finally:
        _makes_checkpoints.Checkpoint = stock


def register_picture_datasets() -> None:
    """Let MM-IMDB and SNLI-VE be read by their pictures, as main does by itself."""
    if LINE == "pypi":
        importlib.import_module("refnet_mmf.plugin.pypi_pictures")


def image_database(dataset: str) -> type[ImageDatabase]:
    """Return the class by which a data set finds its pictures."""
    if LINE == "pypi" and dataset in ("mmimdb", "visual_entailment"):
        from refnet_mmf.plugin.pypi_pictures import AnyExtensionImageDatabase

        return AnyExtensionImageDatabase
    return ImageDatabase


def vocabulary_path(vocab_file: str, data_dir: str) -> str:
    """Return where MMF looks for the ``vocab_file`` of a data set's processor."""
    if LINE == "pypi":
        return str(Path(get_mmf_root(), data_dir, vocab_file))
    if PathManager.exists(vocab_file):
        return vocab_file
    return str(get_absolute_path(str(Path(data_dir, vocab_file))))
