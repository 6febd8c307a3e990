"""``refnet embed``: fused embeddings and unimodal features of a checkpoint, in a file."""

from __future__ import annotations

import argparse
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from refnet_mmf import register
from refnet_mmf.experiments.embedding_file import (
    EmbeddingError,
    EmbeddingFile,
    check_new,
    write_embeddings,
)
from refnet_mmf.experiments.real_data.description import DataError
from refnet_mmf.experiments.real_data.json_rows import read_object
from refnet_mmf.experiments.versions import OF_A_RUN, versions_with_python
from refnet_mmf.paths import MANIFEST
from refnet_mmf.plugin.errors import DEBUG_VARIABLE, one_line

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
        written = embed_to_file(
            args.checkpoint,
            args.split,
            args.out,
            data_dir=args.data_dir,
            data_set=args.dataset,
            batch_size=args.batch_size,
            force=args.force,
        )
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
    embeddings, about = written.embeddings, written.about
    mark = "" if about["miniature"] is None else "MINIATURE "
    print(
        f"{args.out}: {len(embeddings)} samples of {mark}{about['data_set']} "
        f"({about['split']}), {embeddings.fused.shape[1]} values each"
    )
    print(f"Use it: refnet retrieve {args.out}")
    return 0


def embed_to_file(
    source: Path,
    split: str,
    out: Path,
    *,
    data_dir: Path | None = None,
    data_set: str | None = None,
    batch_size: int = 64,
    force: bool = False,
) -> EmbeddingFile:
    """Run a checkpoint's network over a split, and write what it makes of it.

    Args:
        source: a checkpoint file, or the folder of a run.
        split: ``train``, ``val`` or ``test``.
        out: the file to write.
        data_dir: the value of ``env.data_dir``; None: as in the run.
        data_set: one of the run's; None: its only one.
        batch_size: changes nothing but speed and memory.
        force: write over a file that is there.

    Raises:
        ValueError: one line: the file is there, the checkpoint or the data can't be used.
    """
    check_new(out, force)
    register()
    from refnet_mmf.plugin.embeddings import embed

    embedded = embed(source, split, data_dir, data_set, batch_size)
    about = {
        "model": embedded.model,
        "checkpoint": embedded.checkpoint.name,
        "checkpoint_sha256": file_hash(embedded.checkpoint),
        "data_set": embedded.data_set,
        "split": embedded.split,
        "miniature": miniature(embedded.data_dir),
        "pooler": embedded.pooler,
        "versions": versions_with_python((*OF_A_RUN, "numpy")),
    }
    write_embeddings(out, embedded.embeddings, about, force=force)
    return EmbeddingFile(out, embedded.embeddings, about)


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
