"""The options that all commands on a grid of runs share, and what they stand for."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.grid.cell import Cell, Job, Scale, jobs_of
from refnet_mmf.experiments.grid.runner import visible_gpus
from refnet_mmf.experiments.grid.submission import CLUSTERS, Cluster, Submission
from refnet_mmf.experiments.miniature.command import LARGEST_SEED
from refnet_mmf.experiments.miniature.make import CannotMake, make
from refnet_mmf.experiments.output_folder import check_output_folder
from refnet_mmf.paths import MANIFEST

MOST_SEEDS = 10_000
MINIATURE_NOTICE = (
    "MINIATURE data, drawn and written by a program, in the files of the real data set: "
    "no number here says anything about the real one."
)

DataDirs: TypeAlias = dict[tuple[str, int], Path]


class GridError(ValueError):
    """Something that the user can mend; one line."""


@dataclass(frozen=True)
class GridOptions:
    """How a grid is run.

    Attributes:
        out: the folder of data, runs and results.
        scale: ``mini`` or ``paper``.
        seeds: of the training.
        data_seeds: of the miniature data.
        data_dir: MMF's ``env.data_dir`` with the real data, for the paper's scale.
        workers: how many runs at a time.
        only: substrings, one of which a cell's name must hold; none: all cells.
        dry_run: print the commands and run nothing.
        submission: what a run asks for of a cluster; None: all are run here.
    """

    out: Path
    scale: Scale
    seeds: tuple[int, ...]
    data_seeds: tuple[int, ...]
    data_dir: Path | None
    workers: int
    only: tuple[str, ...]
    dry_run: bool
    submission: Submission | None = None

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.out / "runs"

    @property
    def notice(self) -> str:
        """What has to be said wherever a number is shown."""
        if self.scale == "paper":
            return f"Data: {self.data_dir}."
        return MINIATURE_NOTICE


def add_grid_arguments(parser: argparse.ArgumentParser, *, only: bool = True) -> None:
    """Add the options; ``only``: that, too, which takes some of the cells."""
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of data, runs, tables (results)"
    )
    parser.add_argument(
        "--scale", default="mini", help="mini: miniature data (the default); paper: real data"
    )
    parser.add_argument("--seeds", default="3", help="how many (3), or which: 0,1,5")
    parser.add_argument("--data-seeds", help="of the miniature data; as --seeds (1)")
    parser.add_argument("--data-dir", type=Path, help="MMF's env.data_dir, for --scale paper")
    parser.add_argument(
        "--workers", type=int, default=0, help="runs at a time (one a GPU, else one a processor)"
    )
    if only:
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            metavar="WORD",
            help="cells whose name holds WORD",
        )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run nothing")
    _add_submission_arguments(parser)


def _add_submission_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("on a SLURM cluster")
    group.add_argument(
        "--submit",
        metavar="WHERE",
        help="slurm: each run is a job; local: the same with processes of this machine, to try it",
    )
    group.add_argument("--slurm-partition", metavar="NAME", help="(the cluster's default)")
    group.add_argument("--slurm-account", metavar="NAME", help="(the cluster's default)")
    group.add_argument("--slurm-gpus", type=int, metavar="N", help="of a run: 0 or 1 (1)")
    group.add_argument("--slurm-cpus", type=int, metavar="N", help="of a run (4)")
    group.add_argument("--slurm-memory", type=float, metavar="GB", help="of a run (32)")
    group.add_argument(
        "--slurm-hours", type=float, metavar="H", help="of a job, which is then submitted anew (12)"
    )


def read_grid_options(args: argparse.Namespace) -> GridOptions:
    """Check the options.

    Raises:
        GridError: one line for the first thing that is wrong.
        OSError: nothing can be written where ``--out`` says.
    """
    check_scale(args)
    if args.data_dir is not None:
        if not args.data_dir.is_dir() and not args.dry_run:
            raise GridError(f"--data-dir: no such folder: {args.data_dir}")
        check_data_dir(args.data_dir, args.scale)
    if "" in getattr(args, "only", ()):
        raise GridError("--only: expected a part of a cell's name, got ''")
    if args.workers < 0:
        raise GridError(f"--workers: expected a number above 0, got {args.workers}")
    if not args.dry_run:
        check_output_folder(args.out)
    return GridOptions(
        args.out.resolve(),
        cast(Scale, args.scale),
        _numbers("--seeds", args.seeds),
        _data_seeds(args),
        None if args.data_dir is None else args.data_dir.resolve(),
        args.workers or len(visible_gpus()) or os.cpu_count() or 1,
        tuple(getattr(args, "only", ())),
        args.dry_run,
        _read_submission(args),
    )


def check_data_dir(folder: Path, scale: str) -> None:
    """Refuse real data at the miniature scale, and miniature data at the paper's.

    Raises:
        GridError: one line.
    """
    miniature = (folder / MANIFEST).is_file()
    if scale == "mini" and not miniature:
        raise GridError(
            f"--data-dir: {folder}: holds no {MANIFEST}, and --scale mini is for miniature "
            "data (made below --out without this option); real data: --scale paper"
        )
    if scale == "paper" and miniature:
        raise GridError(
            f"--data-dir: {folder}: holds MINIATURE data ({MANIFEST}), which is for --scale mini"
        )


def _data_seeds(args: argparse.Namespace) -> tuple[int, ...]:
    """Return the seeds of the data: with ``--data-dir`` that of the set that is there.

    Raises:
        GridError: others are asked for, or the set does not say.
    """
    if args.data_dir is None:
        return _numbers("--data-seeds", "1" if args.data_seeds is None else args.data_seeds)
    if args.data_seeds is not None:
        raise GridError("--data-seeds: --data-dir is one set of data: take one of the two")
    return (_seed_of_data(args.data_dir),)


def _seed_of_data(folder: Path) -> int:
    """Return the seed of the miniature set in a folder; 0 for real data.

    Raises:
        GridError: its manifest is damaged.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return 0
    try:
        seed = json.loads(manifest.read_text(encoding="utf-8")).get("seed", 0)
        if isinstance(seed, int) and not isinstance(seed, bool):
            return seed
    except (ValueError, AttributeError):
        pass
    raise GridError(f"--data-dir: {manifest}: damaged, says no seed")


def check_scale(args: argparse.Namespace) -> None:
    """Refuse a scale that is none, and the paper's without the folder of the real data.

    Raises:
        GridError: one line.
    """
    if args.scale not in ("mini", "paper"):
        raise GridError(unknown("--scale", "scale", args.scale, ("mini", "paper")))
    if args.scale == "paper" and args.data_dir is None:
        raise GridError("--data-dir: is missing; --scale paper needs the folder of the real data")


def _read_submission(args: argparse.Namespace) -> Submission | None:
    """Check what a run asks for of a cluster.

    Raises:
        GridError: one line for the first thing that is wrong.
    """
    given = {
        key.removeprefix("slurm_"): value
        for key, value in vars(args).items()
        if key.startswith("slurm_") and value is not None
    }
    if args.submit is None:
        if given:
            raise GridError(f"--slurm-{next(iter(given))}: has no effect without --submit slurm")
        return None
    if args.submit not in CLUSTERS:
        raise GridError(unknown("--submit", "place", args.submit, CLUSTERS))
    for key in ("partition", "account"):
        name = given.get(key, "-")
        if not re.fullmatch(r"[\w.,:@+-]+", name):
            raise GridError(f"--slurm-{key}: expected a name, got {name!r}")
    if given.get("gpus", 0) not in (0, 1):
        raise GridError(f"--slurm-gpus: a run is one process: expected 0 or 1, got {given['gpus']}")
    for key in ("cpus", "memory", "hours"):
        number = given.get(key, 1)
        if not (0 < number < math.inf):
            raise GridError(f"--slurm-{key}: expected a number above 0, got {number:g}")
    here = args.submit == "slurm" and (shutil.which("sbatch") is None or not shutil.which("srun"))
    if here and not args.dry_run:
        raise GridError("--submit slurm: there is no SLURM here: no sbatch and srun in PATH")
    at_once = args.workers or (os.cpu_count() or 1 if args.submit == "local" else 0)
    return Submission(cast(Cluster, args.submit), at_once=at_once, **given)


def jobs_for(cells: Sequence[Cell], options: GridOptions) -> list[Job]:
    """Return the jobs of the cells that ``--only`` leaves.

    Raises:
        GridError: ``--only`` leaves none.
    """
    chosen = [
        cell for cell in cells if not options.only or any(w in cell.name for w in options.only)
    ]
    if not chosen:
        raise GridError(
            unknown(
                "--only",
                "part of a cell's name",
                ", ".join(options.only),
                [cell.name for cell in cells],
            )
        )
    data_dirs = data_dirs_for({cell.data_set for cell in chosen}, options)
    return jobs_of(chosen, options.scale, data_dirs, options.seeds, options.runs)


def data_dirs_for(data_sets: Iterable[str], options: GridOptions) -> DataDirs:
    """Return MMF's ``env.data_dir`` by data set and data seed."""
    return {
        (data_set, seed): options.data_dir or data_folder(options.out, data_set, seed)
        for data_set in sorted(data_sets)
        for seed in options.data_seeds
    }


def make_data_for(jobs: Sequence[Job], options: GridOptions) -> None:
    """Make the miniature data that these jobs need; what is there is kept.

    Raises:
        GridError: it can't be made.
    """
    for name, seed, folder in _miniature_data(jobs, options):
        try:
            made = make(name, "mini", folder.resolve(), seed)
        except (CannotMake, OSError) as error:
            raise GridError(f"the miniature {name}: {error}") from None
        if made:
            print(f"MINIATURE {name}, size mini, seed {seed}: made in {folder}", flush=True)


def print_commands(jobs: Sequence[Job], options: GridOptions) -> None:
    """Print what makes the miniature data that the jobs lack, and then their commands."""
    for name, seed, folder in _miniature_data(jobs, options):
        if not folder.exists():
            place = shlex.quote(str(folder))
            print(f"refnet data make {name} --size mini --seed {seed} --out {place}")
    print("\n".join(job.run.command for job in jobs))


def _miniature_data(jobs: Sequence[Job], options: GridOptions) -> list[tuple[str, int, Path]]:
    """Return name, seed and folder of the miniature data of ``jobs``; none where it is real."""
    if options.data_dir is not None:
        return []
    needed = dict.fromkeys((job.cell.data_set, job.data_seed) for job in jobs)
    return [(name, seed, data_folder(options.out, name, seed)) for name, seed in needed]


def data_folder(out: Path, data_set: str, seed: int) -> Path:
    """Return the folder of a miniature data set."""
    return out / "data" / f"{data_set}-{seed}"


def _numbers(place: str, text: str) -> tuple[int, ...]:
    """Read ``3`` as three numbers from 0, ``0,4`` as these two, and ``4,`` as this one."""
    parts = text.removesuffix(",").split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,10}\s*", part) for part in parts):
        raise GridError(f"{place}: expected a number, or several as in 0,1,5, got {text!r}")
    numbers = [int(part) for part in parts]
    if max(numbers) > LARGEST_SEED:
        raise GridError(f"{place}: expected numbers up to {LARGEST_SEED}, got {max(numbers)}")
    if len(numbers) == 1 and "," not in text:
        if numbers[0] < 1:
            raise GridError(f"{place}: expected at least one, got {text!r}")
        if numbers[0] > MOST_SEEDS:
            raise GridError(f"{place}: expected at most {MOST_SEEDS}, got {text!r}")
        return tuple(range(numbers[0]))
    return tuple(dict.fromkeys(numbers))
