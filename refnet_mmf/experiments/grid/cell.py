"""A cell of a table or figure: one YAML of ``projects/`` and overrides, for any number of seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from refnet_mmf.experiments.mmf_run import Run
from refnet_mmf.paths import PROJECTS

Scale = Literal["mini", "paper"]

CHOICE = "refnet.labels.seed"
"""What samples are drawn by: with each seed of the training others, the same for all methods."""
DRAWN = {"refnet.labels.fraction", "refnet.pairing"}
"""The keys that have samples drawn: the labelled ones, or whose other modality each gets."""


@dataclass(frozen=True)
class Cell:
    """One experiment.

    Attributes:
        data_set: MMF's key of the data set.
        model: a folder of ``projects/<data set>/configs``, e.g. ``gmu``.
        variant: ``baseline``, ``refnet`` or ``refnetms``: a YAML in it.
        overrides: further options of the command, ``KEY=VALUE``.
        label: what sets it apart from a cell with the same YAML, fit for a folder's name.
        run_type: MMF's: which splits are trained and evaluated on.
    """

    data_set: str
    model: str
    variant: str
    overrides: tuple[str, ...] = ()
    label: str = ""
    run_type: str = "train_val_test"

    def with_options(self, overrides: Sequence[str]) -> Cell:
        """Return the experiment with further options."""
        return replace(self, overrides=(*self.overrides, *overrides))

    @property
    def name(self) -> str:
        """Its name, which is also its folder's."""
        return "-".join(filter(None, (self.data_set, self.model, self.variant, self.label)))

    def config(self, scale: Scale) -> Path:
        """Return the path of its YAML."""
        suffix = "_mini" if scale == "mini" else ""
        folder = PROJECTS / self.data_set / "configs" / self.model
        return folder / f"{self.variant}{suffix}.yaml"

    def run(self, scale: Scale, data_dir: Path, seed: int, folder: Path) -> Run:
        """Return the run of one seed, which writes into ``folder`` and goes on where it was cut."""
        options = (
            f"config={self.config(scale)}",
            f"model=refnet_{self.model}",
            f"dataset={self.data_set}",
            f"run_type={self.run_type}",
            f"env.data_dir={data_dir}",
            f"training.seed={seed}",
            *([f"{CHOICE}={seed}"] if self._draws_samples else []),
            "checkpoint.resume=True",
            "checkpoint.max_to_keep=1",
            *self.overrides,
        )
        return Run(f"{self.name}, seed {seed}", options, folder)

    @property
    def _draws_samples(self) -> bool:
        """Whether samples are drawn by a seed that the overrides do not name."""
        keys = {override.partition("=")[0] for override in self.overrides}
        return bool(keys & DRAWN) and CHOICE not in keys


@dataclass(frozen=True)
class Job:
    """A cell with the seeds of its data and of its training.

    Attributes:
        cell: the experiment.
        data_seed: of the miniature data; 0 for real data.
        seed: of the training.
        data_dir: MMF's ``env.data_dir``.
        run: the command.
    """

    cell: Cell
    data_seed: int
    seed: int
    data_dir: Path
    run: Run


def jobs_of(
    cells: Sequence[Cell],
    scale: Scale,
    data_dirs: dict[tuple[str, int], Path],
    seeds: Sequence[int],
    out: Path,
) -> list[Job]:
    """Return a job for each cell, data seed and seed; a cell that is named twice is run once.

    Args:
        cells: the experiments.
        scale: ``mini`` or ``paper``.
        data_dirs: MMF's ``env.data_dir`` by data set and data seed.
        seeds: of the training.
        out: the folder of all runs.
    """
    jobs = []
    for cell in dict.fromkeys(cells):
        for (data_set, data_seed), data_dir in data_dirs.items():
            if data_set == cell.data_set:
                for seed in seeds:
                    folder = out / scale / cell.name / f"data-{data_seed}" / f"seed-{seed}"
                    run = cell.run(scale, data_dir, seed, folder)
                    jobs.append(Job(cell, data_seed, seed, data_dir, run))
    return jobs
