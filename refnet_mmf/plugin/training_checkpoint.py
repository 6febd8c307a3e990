"""Checkpoints of a training run: whole or not there, and enough to go on as if never stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from mmf.utils.checkpoint import Checkpoint
from omegaconf import OmegaConf

from refnet_mmf.core.global_batch import rank
from refnet_mmf.core.messages import first_line
from refnet_mmf.plugin.atomic_file import save_atomically
from refnet_mmf.plugin.checkpoint_file import UNREADABLE, find_checkpoint
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.models.stock_name import stock_name_of

DAMAGED = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What is raised where a checkpoint that can be read holds something else than it should."""
RUN_STATE = "refnet"
"""Key of a checkpoint that holds what MMF's own do not: random states, position in the data."""

logger = logging.getLogger("mmf.train.refnet")


class TrainingCheckpoint(Checkpoint):
    """MMF's checkpoints of a run, in MMF's format, with what an exact resume needs beside it.

    Args:
        trainer: the run's trainer.
    """

    def __init__(self, trainer: Any) -> None:
        self._read: Mapping[str, Any] = {}
        self._mapped = False
        super().__init__(trainer)

    def save(self, update: int, iteration: int | None = None, update_best: bool = False) -> None:
        """Write the checkpoint of an update, on the first rank.

        Args:
            update: its number.
            iteration: number of its last batch.
            update_best: it is the best one so far.
        """
        self._refuse_what_is_not_finite(update)
        self.trainer.saved_update = update
        if rank() != 0:
            return
        models, folder = Path(self.models_foldername), Path(self.ckpt_foldername)
        best = [folder / f"{self.ckpt_prefix}best.ckpt"] if update_best else []
        current = folder / f"{self.ckpt_prefix}current.ckpt"
        content = self._content(update, iteration or update)
        save_atomically(content, models / f"model_{update}.ckpt", *best, current)
        self._remove_oldest(models, update)
        self.trainer.log_checkpoint(str(current))

    def _refuse_what_is_not_finite(self, update: int) -> None:
        """Refuse to write weights from which no run can go on; the loss tells a batch later.

        Where ``training.exit_on_nan_losses`` is off, they are written, with a warning.

        Raises:
            RefnetError: one of them is not finite, and it is on.
        """
        weights = self.trainer.bare_model.state_dict()
        numbers = {name: value for name, value in weights.items() if value.is_floating_point()}
        finite = torch.stack([torch.isfinite(value).all() for value in numbers.values()])
        if not bool(finite.all()):
            name = next(name for name, each in zip(numbers, finite, strict=True) if not each)
            said = f"update {update}: the weights are not finite any more ({name})"
            if not self.config.training.get("exit_on_nan_losses", True):
                logger.warning(f"{said}, and are written as they are")
                return
            raise RefnetError(
                f"{said}, and are not written; the checkpoints are of earlier updates"
            )

    def save_config(self) -> None:
        """Leave the configuration of an earlier run in its place until this one's is accepted."""

    def load_state_dict(self) -> None:
        """Load what the block ``checkpoint:`` names; from a run's checkpoint, go on there."""
        self._read, self._mapped = {}, False
        wanted = self.config.checkpoint
        current = Path(self.ckpt_foldername, f"{self.ckpt_prefix}current.ckpt")
        goes_on = wanted.resume and current.is_file()
        if wanted.resume_file is not None and wanted.resume_zoo is None and not goes_on:
            find_checkpoint(Path(wanted.resume_file), folders=False)
        named = wanted.resume_file is not None or wanted.resume_zoo is not None
        with self._without_resets() if goes_on and named else nullcontext():
            super().load_state_dict()
            goes_on = not (self._mapped or wanted.reset.all or wanted.reset.counts)
            if "optimizer" in self._read and goes_on:
                self._go_on()
        self._read = {}
        if rank() == 0:
            super().save_config()

    @contextmanager
    def _without_resets(self) -> Iterator[None]:
        """Leave ``checkpoint.reset`` aside: it is meant for the file that the run began with."""
        reset = self.config.checkpoint.reset
        said = dict(reset)
        if any(said.values()):
            logger.info("checkpoint.reset: has been done at the start of this run, which goes on")
        reset.update(dict.fromkeys(said, False))
        try:
            yield
        finally:
            reset.update(said)

    def _go_on(self) -> None:
        """Put the run where its checkpoint was written.

        Raises:
            RefnetError: what the checkpoint holds of the run is damaged.
        """
        try:
            self.trainer.go_on_from(self._read)
        except RefnetError:
            raise
        except DAMAGED as error:
            raise RefnetError(
                f"checkpoint: what it holds of the run is damaged ({type(error).__name__}: "
                f"{first_line(error)}): checkpoint.reset.all=True starts from its weights alone"
            ) from None

    def _content(self, update: int, iteration: int) -> dict[str, Any]:
        trainer = self.trainer
        stopping, schedule = trainer.early_stopping, trainer.lr_schedule
        content = {
            "model": trainer.bare_model.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "best_iteration": stopping.best_monitored_iteration,
            "current_iteration": iteration,
            "current_epoch": trainer.current_epoch,
            "num_updates": update,
            "best_update": stopping.best_monitored_update,
            "best_metric_value": stopping.best_monitored_value,
            "fp16_scaler": trainer.scaler.state_dict(),
            "config": OmegaConf.to_container(self.config, resolve=True),
            RUN_STATE: trainer.run_state(),
        }
        if schedule is not None:
            content["lr_scheduler"] = schedule.state_dict()
        if self.git_repo:
            content.update(self._get_vcs_fields())
        return content

    def _remove_oldest(self, models: Path, update: int) -> None:
        """Keep ``checkpoint.max_to_keep`` of the numbered checkpoints up to ``update``; -1: all.

        Those of later updates are of an earlier run in this folder, and are left alone.
        """
        keep = self.config.checkpoint.get("max_to_keep", -1)
        if keep > 0:
            files = ((f.stem.removeprefix("model_"), f) for f in models.glob("model_*.ckpt"))
            numbered = {int(number): file for number, file in files if number.isdecimal()}
            for number in sorted(n for n in numbered if n <= update)[:-keep]:
                numbered[number].unlink()

    def _load(self, file: str, *args: Any, **kwargs: Any) -> None:
        """Load a file.

        Raises:
            RefnetError: it is not the checkpoint of this model or of its stock twin.
        """
        mapping = self.config.checkpoint.get("pretrained_state_mapping", None)
        self._mapped = bool(kwargs.get("load_pretrained", False) and mapping)
        try:
            super()._load(file, *args, **kwargs)
        except RefnetError:
            raise
        except DAMAGED as error:
            lines = [line.strip() for line in str(error).splitlines()]
            reason = next((line for line in lines if "size mismatch" in line), first_line(error))
            raise RefnetError(f"checkpoint: {file}: does not fit: {reason}") from error

    def _torch_load(self, file: str) -> Any:
        try:
            content = super()._torch_load(file)
        except UNREADABLE as error:
            raise RefnetError(
                f"checkpoint: {file}: cannot be read ({first_line(error)}); a run's folder holds "
                "earlier ones in models/, for checkpoint.resume_file"
            ) from None
        if not isinstance(content, Mapping):
            raise RefnetError(f"checkpoint: {file}: holds a {type(content).__name__}")
        self._check_model(file, content)
        self._read = {key: content[key] for key in content if key not in ("model", "config")}
        return content

    def _check_model(self, file: str, content: Mapping[str, Any]) -> None:
        """Refuse a checkpoint of another model: MMF would load what happens to fit, or nothing."""
        if self._mapped:
            return
        # Checkpoints of main's other trainer, Lightning's, hold the weights as state_dict.
        weights = content.get("model", content.get("state_dict", content))
        model = self.trainer.bare_model
        own = model.state_dict()
        if not isinstance(weights, Mapping) or not any(
            model.format_state_key(str(name).removeprefix("module.")) in own for name in weights
        ):
            raise RefnetError(
                f"checkpoint: {file}: holds none of the weights of {self.config.model}"
            )
        config = content.get("config")
        if not isinstance(config, Mapping) or not config.get("model_config"):
            return
        theirs, ours = str(config.get("model")), self.config.model
        if stock_name_of(theirs, config["model_config"]) != stock_name_of(
            ours, self.config.model_config
        ):
            raise RefnetError(
                f"checkpoint: {file}: is a checkpoint of {theirs}, the model is {ours}; parts of "
                "it are loaded by checkpoint.resume_pretrained=True and pretrained_state_mapping"
            )

    def _load_optimizer(self, ckpt: Mapping[str, Any]) -> None:
        """Load the optimizer's state.

        Raises:
            RefnetError: it is another model's.
        """
        own = {key for group in self.trainer.optimizer.param_groups for key in group}
        try:
            super()._load_optimizer(ckpt)
            fits = all(own <= set(group) for group in self.trainer.optimizer.param_groups)
        except DAMAGED:
            fits = False
        if not fits:
            theirs = ckpt.get("config", {})
            named = (theirs.get("model", "another model"), theirs.get("optimizer", {}).get("type"))
            ours = (self.config.model, self.config.optimizer.type)
            raise RefnetError(
                f"checkpoint: it is a training checkpoint of {named[0]} with {named[1]}, whose "
                f"optimizer's state does not fit this run's {ours[0]} with {ours[1]}: "
                "checkpoint.reset.all=True starts from its weights alone"
            )

    def _load_pretrained(self, ckpt: Mapping[str, Any]) -> None:
        super()._load_pretrained(ckpt)
        if getattr(self.trainer.model, "refiner", None) is not None:
            logger.warning("Pretrained weights are loaded; the refiner's decoders start fresh.")
