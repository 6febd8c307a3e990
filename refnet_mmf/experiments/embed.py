"""Fused embeddings and unimodal features of a checkpoint, written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from refnet_mmf import register
from refnet_mmf.experiments.embedding_file import (
    EmbeddingFile,
    check_new,
    write_embeddings,
)
from refnet_mmf.experiments.file_hash import file_hash
from refnet_mmf.experiments.real_data.json_rows import read_object
from refnet_mmf.experiments.versions import OF_A_RUN, versions_with_python
from refnet_mmf.paths import MANIFEST


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
