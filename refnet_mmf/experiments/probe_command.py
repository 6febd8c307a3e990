"""``refnet probe``: what of each modality the fused embeddings keep, by linear probes."""

from __future__ import annotations

import argparse
from pathlib import Path

from refnet_mmf.experiments.embedding_file import EmbeddingFile, read_embeddings
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.probes import READ, label_probe, modality_probes
from refnet_mmf.experiments.table_files import check_new_tables, show_table
from refnet_mmf.plugin.embedding_set import EmbeddingSet

SAME = ("model", "checkpoint_sha256", "data_set", "pooler")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet probe``."""
    parser.add_argument("train", type=Path, metavar="TRAIN.npz", help="to fit the probes to")
    parser.add_argument("test", type=Path, metavar="TEST.npz", help="to judge them by")
    parser.add_argument(
        "--out", type=Path, help="write NAME.md, .tex and .csv, too", metavar="NAME"
    )
    parser.add_argument("--force", action="store_true", help="write over files that are there")


def run(args: argparse.Namespace) -> int:
    """Print the table; return the exit code."""
    check_new_tables(args.out, args.force)
    train, test = read_embeddings(args.train), read_embeddings(args.test)
    notes = [
        "Floor: what can be had without the embedding.",
        f"Fitted: {train}",
        f"Judged: {test}",
    ]
    show_table(probe_table(train, test), notes, args.out)
    return 0


def probe_table(train: EmbeddingFile, test: EmbeddingFile) -> Table:
    """Make the table: a line for each modality, and one for the labels.

    Raises:
        ValueError: the files are of different networks, or of the same split.
    """
    for key in SAME:
        if train.about[key] != test.about[key]:
            raise ValueError(
                f"{test.path}: {key} {test.about[key]!r}, but {train.path} has "
                f"{train.about[key]!r}: both must be of one network"
            )
    if train.about["split"] == test.about["split"]:
        raise ValueError(
            f"{test.path}: the {test.about['split']} split, as is {train.path}: a probe is judged "
            "by samples that it was not fitted to"
        )
    inputs, others = train.embeddings, test.embeddings
    here, there = _widths(inputs), _widths(others)
    for name, width in here.items():
        if there.get(name, width if name == "labels" else None) != width:
            raise ValueError(
                f"{test.path}: {name}: expected the width {width} of {train.path}, got "
                f"{there.get(name, 'none')}"
            )
    rows = [
        [f"{name} {of}", "R^2", f"{score:.4f}", "0", f"ridge, alpha {alpha:g}"]
        for (of, name), (score, alpha) in modality_probes(inputs, others).items()
    ]
    if inputs.labels is not None and others.labels is not None:
        fitted, judged = inputs.labelled(), others.labelled()
        if fitted.any() and judged.any():
            found = label_probe(
                (inputs.fused[fitted], inputs.labels[fitted]),
                (others.fused[judged], others.labels[judged]),
            )
            scores = [f"{found.score:.4f}", f"{found.floor:.4f}"]
            rows.append(["labels", found.measure, *scores, "logistic"])
    header = ["read from the embedding", "measure", "score", "floor", "probe"]
    return Table("Linear probes of the fused embedding", header, rows)


def _widths(embeddings: EmbeddingSet) -> dict[str, int]:
    """Return the width of each array that probes read; of labels [N] it is 0."""
    arrays = {"fused": embeddings.fused, "labels": embeddings.labels}
    for of in READ:
        arrays |= {f"{of}.{name}": rows for name, rows in getattr(embeddings, of).items()}
    return {
        name: 0 if rows.ndim == 1 else int(rows.shape[1])
        for name, rows in arrays.items()
        if rows is not None
    }
