"""``refnet data make``: a miniature data set in the files that MMF's stock builders read."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.miniature.make import DATA_SETS, SIZES, CannotMake, make

LARGEST_SEED = 2**32 - 1
"""The largest that NumPy takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet data make``."""
    parser.add_argument("name", metavar="NAME", help=f"as in MMF: {', '.join(DATA_SETS)}")
    parser.add_argument("--size", default="mini", help=f"{' or '.join(SIZES)} (mini)")
    parser.add_argument("--out", type=Path, required=True, help="folder, then env.data_dir")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same data (0)")


def run(args: argparse.Namespace) -> int:
    """Make the data set; return the exit code."""
    make_data(args.name, args.size, args.out.resolve(), args.seed)
    return 0


def make_data(name: str, size: str, folder: Path, seed: int) -> None:
    """Make a data set, and say how it is used; what is there already is kept.

    Raises:
        CannotMake: one line.
    """
    if name not in DATA_SETS:
        raise CannotMake(unknown("NAME", "data set", name, DATA_SETS))
    if size not in SIZES:
        raise CannotMake(unknown("--size", "size", size, SIZES))
    if not 0 <= seed <= LARGEST_SEED:
        raise CannotMake(f"--seed: expected a number from 0 to {LARGEST_SEED}, got {seed}")
    made = make(name, size, folder, seed)
    said = "made" if made else "already there, its marks renewed for the MMF that is installed"
    print(f"MINIATURE {name}, size {size}, seed {seed}: {said}")
    print(
        f"Use it: refnet run config=projects/{name}/configs/mmbt/refnet_mini.yaml "
        f"model=refnet_mmbt dataset={name} env.data_dir={shlex.quote(str(folder))}"
    )
