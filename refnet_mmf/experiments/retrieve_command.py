"""``refnet retrieve``: how well each modality finds samples of its label (Tables 1 and 7)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refnet_mmf.core.messages import check_name
from refnet_mmf.experiments.embedding_file import EmbeddingFile, read_embeddings
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.retrieval import (
    KS,
    MATCHES,
    MEANING,
    METRICS,
    QUERIES,
    queries_of,
    retrieve,
)
from refnet_mmf.experiments.table_files import check_new_tables, show_table
from refnet_mmf.plugin.embedding_set import EmbeddingSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet retrieve``."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.npz", help="of refnet embed")
    parser.add_argument("--query", default="fused", help=f"{' or '.join(QUERIES)} (fused)")
    parser.add_argument("--match", default="exact", help=f"{' or '.join(MATCHES)} (exact)")
    parser.add_argument("--metric", default="cosine", help=f"{' or '.join(METRICS)} (cosine)")
    parser.add_argument(
        "--out", type=Path, help="write NAME.md, .tex and .csv, too", metavar="NAME"
    )
    parser.add_argument("--force", action="store_true", help="write over files that are there")


def run(args: argparse.Namespace) -> int:
    """Print the table; return the exit code."""
    check_name("--query", "query", args.query, QUERIES)
    check_name("--match", "match", args.match, MATCHES)
    check_name("--metric", "metric", args.metric, METRICS)
    check_new_tables(args.out, args.force)
    files = [read_embeddings(path) for path in args.files]
    table = retrieval_table(files, args.query, args.match, args.metric)
    notes = [
        f"Query: {MEANING[args.query]}. A match {MEANING[args.match]}.",
        *(f"{file.path}: {file}" for file in files),
    ]
    show_table(table, notes, args.out)
    return 0


def retrieval_table(
    files: list[EmbeddingFile], query: str, match: str, metric: str = "cosine"
) -> Table:
    """Make the table: a line for each file and modality, and one of chance below it.

    Raises:
        ValueError: a file has no labels, or no queries of this form.
    """
    rows = []
    for file in files:
        embeddings = file.embeddings
        there = _queries(embeddings, query)
        if not there:
            others = [name for name in QUERIES if name != query and _queries(embeddings, name)]
            hint = f"; use --query {others[0]}" if others else " at all"
            raise ValueError(f"{file.path}: holds no {query} queries{hint}")
        if embeddings.labels is None:
            raise ValueError(f"{file.path}: its split has no labels")
        for modality in sorted(there):
            try:
                found = retrieve(
                    queries_of(embeddings, modality, query),
                    embeddings.fused,
                    embeddings.labels,
                    match=match,
                    metric=metric,
                )
            except ValueError as error:
                raise ValueError(f"{file.path}: {error}") from None
            name = [str(file.path), modality]
            rows.append([*name, "by similarity", *(f"{100 * found.hits[k]:.2f}" for k in KS)])
            rows.append([*name, "at random", *(f"{100 * found.chance[k]:.2f}" for k in KS)])
    header = ["file", "query", "ranking", *(f"top-{k}" for k in KS)]
    return Table(f"Queries with a match among the k nearest by {metric}, per cent", header, rows)


def _queries(embeddings: EmbeddingSet, query: str) -> Mapping[str, Any]:
    """Return what queries of a form are made of, by modality."""
    return embeddings.queries if query == "fused" else embeddings.features
