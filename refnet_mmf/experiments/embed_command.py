"""``refnet embed``: fused embeddings and unimodal features of a checkpoint, in a file."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from refnet_mmf.experiments.embed import embed_to_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet embed``."""
    parser.add_argument("checkpoint", type=Path, help="checkpoint file, or the folder of a run")
    parser.add_argument("--data-dir", type=Path, help="env.data_dir (that of the run)")
    parser.add_argument("--split", required=True, help="train, val or test")
    parser.add_argument("--out", type=Path, required=True, help="file to write, e.g. test.npz")
    parser.add_argument("--dataset", help="one of the run's data sets, where it had several")
    parser.add_argument("--batch-size", type=int, default=64, help="samples at a time (64)")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(args: argparse.Namespace) -> int:
    """Write the embeddings; return the exit code."""
    written = embed_to_file(
        args.checkpoint,
        args.split,
        args.out,
        data_dir=args.data_dir,
        data_set=args.dataset,
        batch_size=args.batch_size,
        force=args.force,
    )
    embeddings, about = written.embeddings, written.about
    mark = "" if about["miniature"] is None else "MINIATURE "
    print(
        f"{args.out}: {len(embeddings)} samples of {mark}{about['data_set']} "
        f"({about['split']}), {embeddings.fused.shape[1]} values each"
    )
    print(f"Use it: refnet retrieve {shlex.quote(str(args.out))}")
    return 0
