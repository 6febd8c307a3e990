"""Steps of training, and forward passes of inference, of each model with and without REFINER.

The models are those of ``projects/`` on the miniature memes, with the tiny encoders or of full
size, built and fed by MMF's own trainer; the step is what the trainer does between two batches. All
variants of a model see the same batch, in turn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.full_size import CONFIGS, write_config
from benchmarks.interleaved import Ratio, interleaved_times, ratio
from refnet_mmf.experiments.table_files import markdown_cells

VARIANTS = {"baseline": "baseline", "ReFNet": "refnet", "ReFNetMS": "refnetms"}
MODELS = ("concat", "linear_sum", "gmu", "mmbt", "vilbert")


@dataclass(frozen=True)
class StepRow:
    """One line of the table: a model's baseline in milliseconds, and what the others take of it."""

    model: str
    milliseconds: float
    training: Mapping[str, Ratio]
    inference: Mapping[str, Ratio]


def measure_steps(
    data: Path,
    save: Path,
    *,
    models: tuple[str, ...],
    batch: int,
    rounds: int,
    seconds: float,
    full_size: bool = False,
) -> Iterator[StepRow]:
    """Time the steps of each model.

    Args:
        data: ``env.data_dir`` with the miniature memes.
        save: an empty folder, for what MMF writes.
        models: of `MODELS`.
        batch: samples in a batch.
        rounds: measurements of each variant at the most.
        seconds: time for one row, about.
        full_size: BERT-base and the stock numbers of tokens and regions; needs
            `full_size.make_encoder`.

    Yields:
        A row for each model.
    """
    for model in models:
        steps, passes = {}, {}
        for name, variant in VARIANTS.items():
            folder = save / model / name
            folder.mkdir(parents=True)
            recipe = (
                write_config(model, variant, folder)
                if full_size
                else CONFIGS / model / f"{variant}_mini.yaml"
            )
            trainer, samples = _trainer(model, recipe, data, folder, batch)
            steps[name] = _training_step(trainer, samples)
            passes[name] = _inference_step(trainer, samples)
        training = interleaved_times(steps, rounds=rounds, seconds=seconds)
        inference = interleaved_times(passes, rounds=rounds, seconds=seconds)
        reference = training.pop("baseline")
        still = inference.pop("baseline")
        yield StepRow(
            model,
            1000 * sorted(reference)[len(reference) // 2],
            {name: ratio(times, reference) for name, times in training.items()},
            {name: ratio(times, still) for name, times in inference.items()},
        )


def _trainer(model: str, recipe: Path, data: Path, save: Path, batch: int) -> tuple[Any, Any]:
    """Return a trainer, loaded, with its first batch on its device."""
    from mmf_cli.run import run

    from refnet_mmf import register

    register()
    from refnet_mmf.plugin.trainer import RefnetTrainer

    loaded: list[Any] = []

    def keep(trainer: Any) -> None:
        """Take the place of training: the trainer is loaded, and that is all that is wanted."""
        loaded.append(trainer)

    options = [
        f"config={recipe}",
        *(f"model=refnet_{model}", "dataset=hateful_memes"),
        *(f"env.data_dir={data}", f"env.save_dir={save}", "training.num_workers=0"),
        *(f"training.batch_size={batch}", "training.tensorboard=False", "training.seed=1"),
    ]
    with patch.object(RefnetTrainer, "train", keep), redirect_stdout(StringIO()):
        run(options)
    (trainer,) = loaded
    samples = next(iter(trainer.train_loader))
    return trainer, samples.to(trainer.device)


def _training_step(trainer: Any, samples: Any) -> Callable[[], None]:
    model, optimizer = trainer.model, trainer.optimizer

    def step() -> None:
        # A copy: MMBT of MMF main shifts the tokens of the batch that it is given.
        model.train()
        optimizer.zero_grad(set_to_none=True)
        sum(model(samples.copy())["losses"].values()).mean().backward()
        optimizer.step()

    return step


def _inference_step(trainer: Any, samples: Any) -> Callable[[], None]:
    model = trainer.model

    @torch.inference_mode()
    def step() -> None:
        model.eval()
        model(samples.copy())

    return step


def steps_table(rows: list[StepRow]) -> str:
    """Return the rows as a Markdown table."""
    names = [name for name in VARIANTS if name != "baseline"]
    head = ["model", "baseline, ms", *(f"{name}, times" for name in names)]
    head += [f"{name} at inference, times" for name in names]
    cells = [
        [
            row.model,
            f"{row.milliseconds:.1f}",
            *(_three_digits(row.training[name]) for name in names),
            *(_three_digits(row.inference[name]) for name in names),
        ]
        for row in rows
    ]
    return markdown_cells(head, cells)


def _three_digits(value: Ratio) -> str:
    return f"{value.median:.3f} ({value.low:.3f}-{value.high:.3f})"


os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
