"""``refnet embed``: fused embeddings and unimodal features of a checkpoint, in a file."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from refnet_mmf import __version__, register
from refnet_mmf.experiments.embedding_file import EmbeddingError, check_new, write_embeddings
from refnet_mmf.experiments.real_data.description import DataError
from refnet_mmf.experiments.real_data.json_rows import read_object
from refnet_mmf.experiments.real_data.origin import MANIFEST
from refnet_mmf.plugin.errors import DEBUG_VARIABLE, one_line

PACKAGES = ("mmf", "torch", "transformers", "numpy")
CHUNK = 1 << 20


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
    try:
        check_new(args.out, args.force)
        register()
        from refnet_mmf.plugin.embeddings import embed

        embedded = embed(args.checkpoint, args.split, args.data_dir, args.dataset, args.batch_size)
        about = {
            "model": embedded.model,
            "checkpoint": embedded.checkpoint.name,
            "checkpoint_sha256": file_hash(embedded.checkpoint),
            "data_set": embedded.data_set,
            "split": embedded.split,
            "miniature": miniature(embedded.data_dir),
            "pooler": embedded.pooler,
            "versions": {
                "refnet_mmf": __version__,
                "Python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
        }
        write_embeddings(args.out, embedded.embeddings, about, force=args.force)
    except (EmbeddingError, DataError) as error:
        print(f"refnet embed: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError:
        raise
    except Exception as error:  # whatever MMF raises when it builds a model or reads data
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        print(f"refnet embed: {one_line(error)}", file=sys.stderr)
        return 1
    embeddings = embedded.embeddings
    mark = "" if about["miniature"] is None else "MINIATURE "
    print(
        f"{args.out}: {len(embeddings)} samples of {mark}{embedded.data_set} "
        f"({embedded.split}), {embeddings.fused.shape[1]} values each"
    )
    print(f"Use it: refnet retrieve {args.out}")
    return 0


def miniature(data_dir: Path) -> dict[str, Any] | None:
    """Return size and seed of the generated set in a folder; None: what is there is real.

    Raises:
        DataError: what describes it can't be read.
    """
    manifest = data_dir / MANIFEST
    if not manifest.exists():
        return None
    described = read_object(manifest, str(manifest))
    return {key: described.get(key) for key in ("size", "seed")}


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
