"""What differs between MMF's two lines: the PyPI line (1.0.0rc10) and GitHub's main.

Nothing else in the package asks which line it runs on.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from mmf.common.registry import registry
from mmf.datasets.databases.image_database import ImageDatabase
from mmf.datasets.processors.processors import BaseProcessor
from mmf.modules import encoders
from mmf.utils.checkpoint import Checkpoint
from mmf.utils.file_io import PathManager
from mmf.utils.general import clip_gradients, get_absolute_path, get_mmf_root
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR

__all__ = [
    "KEYS_OF_THE_OTHER_LINE",
    "LINE",
    "LineTrainer",
    "accept_box_processor",
    "image_database",
    "register_image_encoder",
    "register_picture_datasets",
    "replace_train_loader",
    "split_datasets",
    "train_loaders",
    "vocabulary_path",
]

SPLITS = ("train", "val", "test")

LINE: Literal["pypi", "main"] = "main" if hasattr(registry, "register_encoder") else "pypi"
LINE_NAME = "main branch" if LINE == "main" else "PyPI line"

KEYS_OF_THE_OTHER_LINE = (
    ("stdout_capture",)
    if LINE == "main"
    else (
        *("allow_unused_parameters", "colored_logs", "cudnn_benchmark", "enable_state_sharding"),
        *("persistent_workers", "wandb", "wandb_logdir"),
    )
)
"""Keys that a YAML for both lines may have, unknown to this one: no result depends on them."""

if LINE == "main":
    from mmf.common.report import Report
    from mmf.common.sample import to_device
    from mmf.trainers import mmf_trainer as _trainer_module
    from mmf.trainers.callbacks import checkpoint as _makes_checkpoints
    from mmf.trainers.callbacks.checkpoint import CheckpointCallback
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
    the models make them, and no such processor is known: there it is taken, with its parameters
    ``bbox_key``, ``image_width_key`` and ``image_height_key``, and never called.
    """
    if LINE == "pypi":
        registry.register_processor("transformer_bbox")(BaseProcessor)


class TrainerParts(StockTrainer):
    """What a trainer is made of, under the same names on both lines.

    A subclass says what happens at each of the points where the lines' own loops pass by.

    Attributes:
        checkpoint_class: what keeps the checkpoints.
        scaler: the loss scaling of half precision.
        stopped: early stopping has ended the training.
        schedule_state: state of the learning rate's schedule in the checkpoint that was loaded.
    """

    checkpoint_class: type = Checkpoint
    model: Any
    train_loader: Any
    scaler: GradScaler
    schedule_state: Any = None
    stopped: bool = False

    def before_callbacks(self) -> None:
        """Is called when data, model and optimizer are there, before a checkpoint is loaded."""

    def after_forward(self, report: Any) -> None:
        """Is called after each forward pass of training."""

    def after_evaluation(self, split: str, values: Mapping[str, Any]) -> None:
        """Is called on all ranks after each evaluation of a split, with what was computed there.

        In training, that is before anything is done about it.
        """

    def after_update(self) -> None:
        """Is called on all ranks when all that belongs to an update is done, validation too."""

    def validated(self) -> bool:
        """Tell whether the last update has been validated."""
        return False

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        """The half precision in which the model runs in training; None: full precision."""
        training = self.config.training
        if training.get("bf16", False):
            return torch.bfloat16
        return torch.float16 if training.get("fp16", False) else None

    def autocast(self) -> torch.autocast:
        """Return the context in which the model runs in training."""
        dtype = self.autocast_dtype
        device = torch.device(self.device).type
        return torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None)

    def parallelize_model(self) -> None:
        """Wrap the model for several ranks; the stock trainers know those on GPUs alone."""
        if not self.distributed or torch.device(self.device).type == "cuda":
            super().parallelize_model()
            return
        registry.register("data_parallel", False)
        registry.register("distributed", True)
        unused = self.config.training.find_unused_parameters
        self.model = DistributedDataParallel(self.model, find_unused_parameters=unused)

    @property
    def bare_model(self) -> Any:
        """The model, unwrapped."""
        return getattr(self.model, "module", self.model)


if LINE == "main":

    class _CheckpointsAfterValidation(CheckpointCallback):
        """Leaves it to the trainer when a checkpoint is due."""

        def on_update_end(self, **kwargs: Any) -> None:
            interval = self.config.training.evaluation_interval
            if self.trainer.num_updates % interval != 0:
                self.trainer.after_update()

        def on_validation_end(self, **kwargs: Any) -> None:
            self.trainer.after_update()

    class _MainTrainer(TrainerParts):
        """The trainer of main."""

        def configure_device(self) -> None:
            """Take the GPU of this rank, or the CPU."""
            if self.config.distributed.init_method is None or torch.cuda.is_available():
                super().configure_device()
                return
            self.local_rank = self.config.device_id
            self.distributed = True
            self.device = torch.device("cpu")
            registry.register("global_device", self.config.distributed.rank)

        def configure_callbacks(self) -> None:
            """Set up what main's trainer keeps beside the model, its checkpoints among it."""
            self.before_callbacks()
            with (
                _replaced(_makes_checkpoints, "Checkpoint", self.checkpoint_class),
                _replaced(_trainer_module, "CheckpointCallback", _CheckpointsAfterValidation),
            ):
                super().configure_callbacks()
            self.checkpoint = self.checkpoint_callback.checkpoint
            self.early_stopping = self.early_stop_callback.early_stopping

        @property
        def lr_schedule(self) -> Any:
            """The learning rate's schedule; None: there is none."""
            return self.lr_scheduler_callback._scheduler

        def _forward(self, batch: Any) -> Any:
            """Run a batch, in bfloat16 too: main's own would switch that off on a GPU again."""
            prepared = to_device(batch, self.device)
            self.profile("Batch prepare time")
            with self.autocast():
                report = Report(prepared, self.model(prepared))
            self.profile("Forward time")
            self.after_forward(report)
            return report

        def _check_nan_losses(self, report: Any) -> None:
            """Leave it to the trainer, which need not wait for the GPU at each batch."""

        def _calculate_max_updates(self) -> Any:
            if self.stopped:
                return self.num_updates
            self.train_loader = _LengthFromHere(self.train_loader)
            with self.train_loader.whole_epochs():
                return super()._calculate_max_updates()

        def after_training_loop(self) -> None:
            """Validate at the end of training, where the last update has not been.

            That validation, too, may be the best. Main's own trainer leaves it out of the choice,
            and validates only where the run type names it, which its default does not.
            """
            if "train" in self.run_type and not self.validated():
                report, meter = self.evaluation_loop("val")
                self.early_stop_callback.on_validation_end(report=report, meter=meter)
                self.on_validation_end(report=report, meter=meter)

        def evaluation_loop(self, dataset_type: str, *args: Any, **kwargs: Any) -> Any:
            """Evaluate a split."""
            report, meter = super().evaluation_loop(dataset_type, *args, **kwargs)
            self.after_evaluation(dataset_type, _means(meter))
            return report, meter

        def log_checkpoint(self, path: str) -> None:
            """Hand a checkpoint to Weights & Biases where that is on."""
            if self.config.training.wandb.log_checkpoint:
                self.logistics_callback.wandb_logger.log_model_checkpoint(path)

    class _LengthFromHere:
        """A loader whose length, in the epoch of a resume, is what is left of it.

        Main counts from it which batches make up the epoch's last update.
        """

        def __init__(self, loader: Any) -> None:
            self.loader = loader
            self.whole = False

        def __len__(self) -> int:
            first = next(iter(self.loader.loaders.values()))
            remaining = getattr(first, "remaining", None)
            return len(self.loader) if self.whole or remaining is None else remaining

        def __iter__(self) -> Iterator[Any]:
            return iter(self.loader)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.loader, name)

        @contextmanager
        def whole_epochs(self) -> Iterator[None]:
            self.whole = True
            try:
                yield
            finally:
                self.whole = False

    def train_loaders(trainer: Any) -> dict[str, Any]:
        """Return the loader of each data set of the training split, by the data set's name."""
        return dict(trainer.train_loader.loaders)

    def replace_train_loader(trainer: Any, name: str, loader: Any) -> None:
        """Let the trainer take its training batches from ``loader``."""
        trainer.train_loader.loaders[name] = loader
        trainer.train_loader.set_lengths()
        trainer.train_loader.set_samplers()

    def split_datasets(trainer: Any) -> dict[tuple[str, str], Any]:
        """Return each split that is there, by its name and that of its data set."""
        return {
            (split, name): getattr(module, f"{split}_dataset")
            for name, module in trainer.dataset_loader.datamodules.items()
            for split in SPLITS
            if getattr(module, f"{split}_dataset") is not None
        }

else:

    class _PypiTrainer(TrainerParts):
        """The trainer of the PyPI line, with what main's can do beside: precision, accumulation."""

        def _set_device(self) -> None:
            super()._set_device()
            if self.distributed and not torch.cuda.is_available():
                self.device = torch.device("cpu")
                registry.register("current_device", self.device)

        def load_extras(self) -> None:
            """Set up what the PyPI line's trainer keeps beside the model."""
            scales = self.autocast_dtype == torch.float16
            self.scaler = GradScaler("cuda", enabled=scales)
            self.before_callbacks()
            with _replaced(_makes_checkpoints, "Checkpoint", self.checkpoint_class):
                super().load_extras()
            if self.lr_schedule is not None and self.schedule_state is not None:
                self.lr_schedule.load_state_dict(self.schedule_state)

        @property
        def lr_schedule(self) -> Any:
            """The learning rate's schedule, if it has a state; MMF's own are functions of it."""
            return None if isinstance(self.lr_scheduler, LambdaLR) else self.lr_scheduler

        def train(self) -> None:
            """Train, validate, test."""
            count = self.config.training.get("update_frequency", 1)
            self.train_loader = _BatchesOfUpdates(self.train_loader, count)
            if self.stopped:
                self.max_updates, self.max_epochs = self.num_updates, None
            super().train()

        def _forward_pass(self, batch: Any) -> Any:
            """Run a batch; in training, all batches of an update, backwards too."""
            if not self.model.training:
                return super()._forward_pass(batch)
            self.optimizer.zero_grad()
            reports = []
            for part in batch:
                with self.autocast():
                    report = super()._forward_pass(part)
                self.after_forward(report)
                for key, loss in report.losses.items():
                    report.losses[key] = loss / len(batch)
                self.scaler.scale(self._extract_loss(report)).backward()
                reports.append(report)
            self.current_iteration += len(batch) - 1
            return self._sum_of(reports)

        def _sum_of(self, reports: list[Any]) -> Any:
            """Return one report of several batches, without their graphs."""
            first, *others = reports
            for key in first.losses:
                first.losses[key] = sum(report.losses[key].detach() for report in reports)
            for report in others:
                if self.training_config.evaluate_metrics:
                    first.accumulate_tensor_fields(report, self.metrics.required_params)
                first.batch_size += report.batch_size
            return first

        def _backward(self, loss: Any) -> None:
            """Take the step for which the gradients are there."""
            if self.should_clip_gradients:
                self.scaler.unscale_(self.optimizer)
                clip_gradients(self.model, self.num_updates, self.tb_writer, self.config)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.num_updates += 1
            self._run_scheduler()
            self.profile("Backward time")

        def evaluate(self, loader: Any, *args: Any, **kwargs: Any) -> Any:
            """Evaluate a split."""
            report, meter = super().evaluate(loader, *args, **kwargs)
            self.after_evaluation(report.dataset_type, _means(meter))
            return report, meter

        def _try_snapshot(self) -> None:
            """Leave it to the trainer when a checkpoint is due: after the validation."""

        def _try_full_validation(self, force: bool = False) -> bool:
            if force:
                return not self.validated() and super()._try_full_validation(force=True)
            stop: bool = super()._try_full_validation()
            self.after_update()
            return stop

        def log_checkpoint(self, path: str) -> None:
            """Do nothing: this line logs to no service."""

    class _BatchesOfUpdates:
        """Yields lists of the batches that make up an update; at the end of an epoch, fewer."""

        def __init__(self, loader: Any, count: int) -> None:
            self.loader = loader
            self.count = count

        def __iter__(self) -> Iterator[list[Any]]:
            batches = iter(self.loader)
            while group := list(islice(batches, self.count)):
                yield group

    def train_loaders(trainer: Any) -> dict[str, Any]:
        """Return the loader of each data set of the training split, by the data set's name."""
        split = trainer.dataset_loader.train_dataset
        names = [dataset.dataset_name for dataset in split.datasets]
        return dict(zip(names, split.loaders, strict=True))

    def replace_train_loader(trainer: Any, name: str, loader: Any) -> None:
        """Let the trainer take its training batches from ``loader``."""
        split = trainer.dataset_loader.train_dataset
        number = list(train_loaders(trainer)).index(name)
        split.loaders[number] = loader
        split.current_loader = split.loaders[split.current_index]
        if split.samplers[number] is not None:
            split.samplers[number] = loader.sampler

    def split_datasets(trainer: Any) -> dict[tuple[str, str], Any]:
        """Return each split that is there, by its name and that of its data set."""
        return {
            (split, dataset.dataset_name): dataset
            for split, loader in trainer.dataset_loader.mapping.items()
            for dataset in loader.datasets
        }


LineTrainer: Any = _MainTrainer if LINE == "main" else _PypiTrainer
"""The trainer of the line that is installed."""


def _means(meter: Any) -> dict[str, Any]:
    """Return what a meter has measured, by its key."""
    return {key: value.global_avg for key, value in meter.meters.items()}


@contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """Let ``module.name`` be ``value`` within this context.

    Neither line asks its trainer for the classes of its parts: a module names them.
    """
    stock = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, stock)


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
