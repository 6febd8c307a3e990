"""The trainer ``refnet``: MMF's own, with the training regimes of the block ``refnet:``.

What it adds: a labelled fraction of the training set, pretraining of the refiner, exchanged
pairs, ranks without a GPU, half precision and accumulated gradients on both lines, and checkpoints
from which a run goes on as if it had never been stopped.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmf.common.registry import registry
from mmf.utils.configuration import get_mmf_env
from omegaconf import open_dict
from torch import Tensor
from torch.utils.data import IterableDataset

from refnet_mmf.core.global_batch import gather_objects, rank, world_size
from refnet_mmf.paths import EVALUATIONS
from refnet_mmf.plugin import mmf_lines
from refnet_mmf.plugin.atomic_file import write_atomically
from refnet_mmf.plugin.dataset_rows import sample_ids
from refnet_mmf.plugin.dataset_views import exchange_samples, keep_labels, remove_labels
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.interruption import Interrupted, Interruption
from refnet_mmf.plugin.json_numbers import numbers_for_json
from refnet_mmf.plugin.labelled_samples import choose_labelled, write_ids
from refnet_mmf.plugin.metrics import know_split_sizes
from refnet_mmf.plugin.random_state import RandomState
from refnet_mmf.plugin.regime import TRAINER, read_regime, settings_without_effect
from refnet_mmf.plugin.run_lock import RunLock
from refnet_mmf.plugin.run_watch import RunWatch, gradient_metrics, gradient_norm
from refnet_mmf.plugin.train_loader import TrainLoader
from refnet_mmf.plugin.trainer_checks import (
    check_batch_size,
    check_numbers,
    check_precision,
    check_zoo_override,
    refusal_of_data_parallel,
    warn_of_stock_metrics,
)
from refnet_mmf.plugin.training_checkpoint import RUN_STATE, TrainingCheckpoint

OWN_LOSSES = ("refiner_", "metric_loss", "multi_similarity")
"""How the names of the losses begin that are not the stock model's."""
LABELLED_IDS = "labelled_ids.txt"

logger = logging.getLogger("mmf.train.refnet")


@registry.register_trainer(TRAINER)
class RefnetTrainer(mmf_lines.LineTrainer):
    """The stock trainer of the line that is installed, with the regimes of ``refnet:``.

    Raises:
        RefnetError: a setting that is wrong, or that this machine or these ranks can't serve.
    """

    checkpoint_class = TrainingCheckpoint

    def __init__(self, config: Any) -> None:
        self.regime = read_regime(config)
        check_precision(config.training)
        check_numbers(config)
        check_batch_size(config.training)
        check_zoo_override(config)
        if self.regime.pretrain:
            judge_by_total_loss(config)
        super().__init__(config)
        folder = Path(get_mmf_env(key="save_dir"))
        trains_here = "train" in config.run_type and rank() == 0
        self.lock = RunLock(folder) if trains_here else None
        self.train_loader_of_ours: TrainLoader | None = None
        self.validated_update = -1
        self.random_states: list[dict[str, Any]] = []
        self.evaluations: dict[str, dict[str, float | str]] = {}
        self.gradients: dict[str, Tensor] = {}
        self.saved_update: int | None = None
        self.interruption = Interruption(lambda: world_size() == 1 and self.model.training)
        self.watch = RunWatch(
            folder,
            self._take_positions,
            self._ids_of,
            stops=config.training.get("exit_on_nan_losses", True),
        )

    def train(self) -> None:
        """Train, validate, test; on one rank, Ctrl-C ends the update in hand first.

        Raises:
            Interrupted: the user has ended the run.
        """
        try:
            with self.interruption:
                super().train()
        except Interrupted:
            raise
        except BaseException as error:
            # A loader's workers get the signal, too, and the loader fails without them.
            if self.interruption.asked or isinstance(error, KeyboardInterrupt):
                raise self._interrupted() from None
            raise
        finally:
            if self.lock is not None:
                self.lock.release()

    def load_datasets(self) -> None:
        """Load the splits by the stock builders, and see them as the regime asks for."""
        super().load_datasets()
        splits = mmf_lines.split_datasets(self)
        sized = {place: each for place, each in splits.items() if hasattr(each, "__len__")}
        know_split_sizes({place: len(dataset) for place, dataset in sized.items()})
        for dataset in splits.values():
            if self.regime.pretrain:
                remove_labels(dataset)
            if self.regime.pairing != "matched":
                exchange_samples(dataset, self.regime.pairing, self.regime.labels.seed)

    def before_callbacks(self) -> None:
        """Put a loader of ours, which can resume, in the place of the stock training loader."""
        if rank() == 0:
            has_metric_loss = getattr(self.bare_model, "metric_loss", None) is not None
            for line in settings_without_effect(
                self.regime, has_refiner=self._has_refiner(), has_metric_loss=has_metric_loss
            ):
                logger.warning(line)
        loaders = mmf_lines.train_loaders(self)
        ((name, stock), *others) = loaders.items()
        if others or isinstance(stock.dataset, IterableDataset):
            self._leave_to_stock_loaders(
                "several data sets" if others else "a data set of a stream"
            )
            return
        labels = self.regime.labels
        chosen = None
        if self.regime.uses_some_labels:
            chosen = choose_labelled(stock.dataset, labels)
            keep_labels(stock.dataset, chosen)
            self._write_labelled_ids(stock.dataset, chosen)
        unlabelled = labels.unlabeled_per_labeled if self._has_refiner() else 0
        loader = TrainLoader(
            stock,
            gather_objects(registry.get("seed", no_warning=True) or 0)[0],
            chosen,
            0 if chosen is None else unlabelled,
            regime=f"{self.regime.pairing} {self.regime.pretrain}",
        )
        mmf_lines.replace_train_loader(self, name, loader)
        self.train_loader_of_ours = loader

    def load_metrics(self) -> None:
        """Build the metrics; warn of those that are wrong on several ranks."""
        super().load_metrics()
        if world_size() > 1 and rank() == 0:
            warn_of_stock_metrics(self.config.evaluation.get("metrics", []))

    def parallelize_model(self) -> None:
        """Wrap the model for several ranks, but never split a batch in one process."""
        devices = torch.cuda.device_count()
        if not self.distributed and devices > 1 and torch.device(self.device).type == "cuda":
            raise RefnetError(refusal_of_data_parallel(devices, sys.argv))
        super().parallelize_model()
        self.early_stopping.checkpoint = _CheckpointOfEarlyStopping(self)

    def after_forward(self, report: Any) -> None:
        """Watch the pass; refuse to train without labels by the refiner's loss alone, unasked.

        Raises:
            RefnetError: no loss of the stock model was computed.
        """
        metrics = getattr(report, "metrics", {})
        self.watch.see(self.num_updates + 1, report.losses, metrics, report.batch_size)
        metrics.update(self.gradients)
        own = tuple(f"{report.dataset_type}/{report.dataset_name}/{name}" for name in OWN_LOSSES)
        only_own = all(key.startswith(own) for key in report.losses)
        if only_own and not self.regime.pretrain and getattr(report, "targets", None) is None:
            raise RefnetError(
                f"dataset={report.dataset_name}: the model computes no loss of its own, as for "
                "samples without labels; refnet.stage=pretrain trains by the refiner's alone"
            )

    def after_evaluation(self, split: str, values: Mapping[str, Any]) -> None:
        """Keep the values; of a validation, note what a checkpoint of now would have to hold."""
        if rank() == 0:
            numbers = {key: float(value) for key, value in values.items()}
            self.evaluations[split] = {"update": self.num_updates, **numbers_for_json(numbers)}
            file = Path(get_mmf_env(key="save_dir"), EVALUATIONS)
            write_atomically(json.dumps(self.evaluations, indent=2) + "\n", file)
        if split == "val":
            self._look()
            self.validated_update = self.num_updates
            self._note_random_states()

    def validated(self) -> bool:
        """Tell whether the last update has been validated."""
        return self.validated_update == self.num_updates

    def after_update(self) -> None:
        """Look at the run where MMF logs; write a checkpoint where one is due."""
        training = self.config.training
        due = self.num_updates % training.checkpoint_interval == 0
        if due or self.num_updates % training.log_interval == 0:
            self._look()
        if due:
            logger.info("Checkpoint time. Saving a checkpoint.")
        if due or self.interruption.asked:
            self._note_random_states()
            self.checkpoint.save(self.num_updates, self.current_iteration, update_best=False)
        if self.interruption.asked:
            raise self._interrupted()

    def run_state(self) -> dict[str, Any]:
        """Return what MMF's checkpoints do not hold, as plain data."""
        loader = self.train_loader_of_ours
        return {
            "random_states": self.random_states,
            "validated_update": self.validated_update,
            "stopped": self.stopped,
            "goal": self._goal(),
            "position": None if loader is None else loader.state_dict(),
        }

    def go_on_from(self, checkpoint: Mapping[str, Any]) -> None:
        """Put the run where it was when ``checkpoint``, whose weights are loaded, was written."""
        self.schedule_state = checkpoint.get("lr_scheduler")
        self.saved_update = checkpoint.get("num_updates")
        if "train" not in self.config.run_type:
            return
        if self.scaler.is_enabled() and checkpoint.get("fp16_scaler"):
            self.scaler.load_state_dict(checkpoint["fp16_scaler"])
        state: Any = checkpoint.get(RUN_STATE)
        if not isinstance(state, Mapping) or not set(self.run_state()) <= set(state):
            state = None
        elif state["goal"] != self._goal():
            raise RefnetError(
                f"checkpoint: it is of a run towards {state['goal']}, this one goes towards "
                f"{self._goal()}: checkpoint.reset.all=True starts from its weights alone"
            )
        reason = self._reason_against(state)
        if reason is not None:
            logger.warning(
                f"The run goes on from update {self.num_updates} with new random numbers, at the "
                f"start of an epoch: {reason}."
            )
            return
        self.validated_update = state["validated_update"]
        # Main as published writes it, and does not read it.
        self.early_stopping.best_monitored_update = checkpoint["best_update"]
        self.stopped = state["stopped"]
        if self.stopped and rank() == 0:
            logger.info(
                f"Early stopping has ended this run after update {self.num_updates}: it is not "
                "trained further."
            )
        random_state = RandomState.from_mapping(state["random_states"][rank()])
        random_state.restore()
        if self.train_loader_of_ours is not None:
            self.train_loader_of_ours.load_state_dict(state["position"], random_state)
            # MMF's loop counts the epoch when it enters it; it enters this one again.
            self.current_epoch -= 1

    def _reason_against(self, state: Mapping[str, Any] | None) -> str | None:
        """Return why a run can't go on exactly where it was; None: it can."""
        if state is None:
            return "the checkpoint is not this trainer's, or of an earlier version"
        ranks = len(state["random_states"])
        if ranks != world_size():
            return f"the checkpoint was written by {ranks} ranks, there are {world_size()} now"
        loader, position = self.train_loader_of_ours, state["position"]
        if loader is not None and position is None:
            return "the checkpoint holds no position in the data"
        return None if loader is None else loader.reason_against(position)

    def _interrupted(self) -> Interrupted:
        """Word where an interrupted run goes on."""
        update, saved = self.num_updates, self.saved_update
        goes_on = (
            "no checkpoint is written yet"
            if saved is None
            else f"the same command with checkpoint.resume=True goes on after update {saved}"
        )
        return Interrupted(f"interrupted after update {update}; {goes_on}")

    def _goal(self) -> str:
        """Word what the best checkpoint is chosen by; a best value means nothing to another."""
        early_stop = self.config.training.early_stop
        stage = "pretraining, " if self.regime.pretrain else ""
        return f"{stage}the {'lowest' if early_stop.minimize else 'highest'} {early_stop.criteria}"

    def _look(self) -> None:
        """Judge what was seen of the run; take the decoders' gradients for the next log."""
        refiner = getattr(self.bare_model, "refiner", None)
        decoders = {} if refiner is None else dict(refiner.decoders.items())
        norms = {name: gradient_norm(decoder) for name, decoder in decoders.items()}
        self.watch.look(norms)
        name = next(iter(mmf_lines.train_loaders(self)))
        self.gradients = gradient_metrics(norms, f"train/{name}")

    def _take_positions(self, count: int) -> list[list[int]]:
        loader = self.train_loader_of_ours
        return [] if loader is None else loader.take_positions(count)

    def _ids_of(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of training samples; their positions where they have no annotations."""
        ((_, stock),) = mmf_lines.train_loaders(self).items()
        try:
            ids = sample_ids(stock.dataset.viewed)
        except RefnetError:
            return [str(position) for position in positions]
        return [ids[position] for position in positions]

    def _note_random_states(self) -> None:
        self.random_states = gather_objects(RandomState.now().as_mapping())

    def _has_refiner(self) -> bool:
        return getattr(self.bare_model, "refiner", None) is not None

    def _write_labelled_ids(self, dataset: Any, chosen: list[int]) -> None:
        """Leave the ids of the labelled samples in the run's folder."""
        logger.info(f"{len(chosen)} of {len(dataset)} training samples are used with their labels.")
        if rank() == 0 and "train" in self.config.run_type:
            ids = sample_ids(dataset)
            write_ids(
                [ids[position] for position in chosen],
                Path(get_mmf_env(key="save_dir"), LABELLED_IDS),
            )

    def _leave_to_stock_loaders(self, why: str) -> None:
        if self.regime.uses_some_labels:
            raise RefnetError(
                f"refnet.labels: is for one data set with an order; dataset= names {why}"
            )
        logger.warning(
            f"With {why} a resumed run starts a new epoch: its result is not that of a run that "
            "was never stopped."
        )


class _CheckpointOfEarlyStopping:
    """A run's checkpoints as early stopping sees them: it saves, and leaves the end to the end.

    MMF's early stopping loads the best checkpoint on the first rank alone, which then waits there
    for the others. The trainer loads it on all ranks, when training is over. And MMF writes
    nothing at a stop: a run that is started again would train on.

    Args:
        trainer: the run's trainer.
    """

    def __init__(self, trainer: RefnetTrainer) -> None:
        self.trainer = trainer
        self.save = trainer.checkpoint.save

    def restore(self) -> None:
        """Keep that the run has stopped."""
        self.trainer.stopped = True
        self.save(self.trainer.num_updates, self.trainer.current_iteration)

    def finalize(self) -> None:
        """Do nothing yet."""


def judge_by_total_loss(config: Any) -> None:
    """Let a pretraining run be judged by the refiner's loss on the validation split, in place.

    It has no labels, and so no metric.
    """
    warnings.filterwarnings("ignore", message="Sample list has not field 'targets'")
    logger.info("Pretraining: the best checkpoint is that of the lowest val/total_loss.")
    with open_dict(config):
        config.evaluation.metrics = []
        config.training.early_stop.criteria = "val/total_loss"
        config.training.early_stop.minimize = True
        # The classifier has no part in the loss.
        config.training.find_unused_parameters = True
