"""``refnet data make``: a miniature data set in the files that MMF's stock builders read."""

from __future__ import annotations

import argparse
import shlex
import sys
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


def make_data(name: str, size: str, folder: Path, seed: int) -> int:
    """Make a data set as the command does; what is there already is kept; return the exit code."""
    return run(argparse.Namespace(name=name, size=size, out=folder, seed=seed))


def run(args: argparse.Namespace) -> int:
    """Make the data set; return the exit code."""
    folder: Path = args.out.resolve()
    try:
        if args.name not in DATA_SETS:
            raise CannotMake(unknown("NAME", "data set", args.name, DATA_SETS))
        if args.size not in SIZES:
            raise CannotMake(unknown("--size", "size", args.size, SIZES))
        if not 0 <= args.seed <= LARGEST_SEED:
            raise CannotMake(f"--seed: expected a number from 0 to {LARGEST_SEED}, got {args.seed}")
        made = make(args.name, args.size, folder, args.seed)
    except (CannotMake, OSError) as error:
        print(f"refnet data make: {error}", file=sys.stderr)
        return 1
    said = "made" if made else "already there, its marks renewed for the MMF that is installed"
    print(f"MINIATURE {args.name}, size {args.size}, seed {args.seed}: {said}")
    print(
        f"Use it: refnet run config=projects/{args.name}/configs/mmbt/refnet_mini.yaml "
        f"model=refnet_mmbt dataset={args.name} env.data_dir={shlex.quote(str(folder))}"
    )
    return 0
