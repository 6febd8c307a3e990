"""The trainer ``refnet``: MMF's own, with checkpoints that say what does not fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mmf.common.registry import registry
from mmf.utils.checkpoint import Checkpoint

from refnet_mmf.plugin import mmf_lines
from refnet_mmf.plugin.errors import RefnetError

NAME = "refnet"

logger = logging.getLogger(__name__)


class RefnetCheckpoint(Checkpoint):
    """MMF's checkpoints of a run, with one line for what can't be loaded."""

    def _load_optimizer(self, ckpt: Mapping[str, Any]) -> None:
        """Load the optimizer's state.

        Raises:
            RefnetError: it is another model's.
        """
        try:
            super()._load_optimizer(ckpt)
        except ValueError:
            theirs = ckpt.get("config", {}).get("model", "another model")
            raise RefnetError(
                f"checkpoint: it is a training checkpoint of {theirs}, whose optimizer does not "
                f"fit {self.config.model}: checkpoint.reset.all=True starts from its weights alone"
            ) from None

    def _load_pretrained(self, ckpt: Mapping[str, Any]) -> None:
        super()._load_pretrained(ckpt)
        if getattr(self.trainer.model, "refiner", None) is not None:
            logger.warning("Pretrained weights are loaded; the refiner's decoders start fresh.")


@registry.register_trainer(NAME)
class RefnetTrainer(mmf_lines.StockTrainer):
    """The stock trainer of the line that is installed, with :class:`RefnetCheckpoint`."""

    def configure_callbacks(self) -> None:
        """Set up what main's trainer keeps beside the model, its checkpoints among it."""
        with mmf_lines.checkpoints_kept_by(RefnetCheckpoint):
            super().configure_callbacks()

    def load_extras(self) -> None:
        """Set up what the PyPI line's trainer keeps beside the model."""
        with mmf_lines.checkpoints_kept_by(RefnetCheckpoint):
            super().load_extras()
