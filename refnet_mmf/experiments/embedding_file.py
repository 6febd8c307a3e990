"""Files of embeddings: an npz of plain arrays, and what it is as JSON inside."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refnet_mmf.core.messages import first_line, near_file
from refnet_mmf.experiments.output_folder import check_output_folder
from refnet_mmf.plugin.atomic_file import in_place_of
from refnet_mmf.plugin.embedding_set import EmbeddingSet

FORMAT = "refnet embeddings 1"
ABOUT = "about"
FEATURES = "features."
QUERIES = "queries."
INPUTS = "inputs."
KEYS = (
    "model",
    "checkpoint",
    "checkpoint_sha256",
    "data_set",
    "split",
    "miniature",
    "pooler",
    "versions",
)
UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile),
    *(RuntimeError, zlib.error),  # of a zip that says that it is encrypted, and of one that is cut
)


class EmbeddingError(ValueError):
    """A file of embeddings can't be used; the message says why, in one line."""


@dataclass(frozen=True)
class EmbeddingFile:
    """A file of embeddings, read.

    Attributes:
        path: the file.
        embeddings: what it holds.
        about: what it is, by `KEYS`; ``miniature`` holds size and seed of a generated set,
            and is null for a real one.
    """

    path: Path
    embeddings: EmbeddingSet
    about: Mapping[str, Any]

    def __str__(self) -> str:
        """Tell in a line what this is; numbers of miniature data are never shown without."""
        about = self.about
        told = f"{about['model']} on {about['data_set']}, {about['split']} split"
        miniature = about["miniature"]
        if miniature is not None:
            told = f"MINIATURE ({', '.join(f'{k} {v}' for k, v in miniature.items())}): {told}"
        return f"{told}, {len(self.embeddings)} samples, {about['checkpoint']}"


def write_embeddings(
    path: Path, embeddings: EmbeddingSet, about: Mapping[str, Any], *, force: bool = False
) -> None:
    """Write embeddings; the file is whole or not there.

    Raises:
        EmbeddingError: the file is there, and ``force`` is not set.
        OSError: it can't be written.
    """
    check_new(path, force)
    arrays: dict[str, Any] = {
        "ids": embeddings.ids,
        "fused": embeddings.fused,
        **{f"{FEATURES}{name}": rows for name, rows in embeddings.features.items()},
        **{f"{QUERIES}{name}": rows for name, rows in embeddings.queries.items()},
        **{f"{INPUTS}{name}": rows for name, rows in embeddings.inputs.items()},
        ABOUT: np.array(json.dumps({"format": FORMAT, **about})),
    }
    for name in ("labels", "scores"):
        rows = getattr(embeddings, name)
        if rows is not None:
            arrays[name] = rows
    with in_place_of(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def check_new(path: Path, force: bool) -> None:
    """Refuse to write over a file that is there, or where nothing can be written.

    Raises:
        EmbeddingError: it is there, and ``force`` is not set.
        OSError: it can't be written there.
    """
    if path.exists() and not force:
        raise EmbeddingError(f"{path}: is there already; name another file, or use --force")
    check_output_folder(path.parent)


def read_embeddings(path: Path) -> EmbeddingFile:
    """Read what `write_embeddings` wrote.

    Raises:
        EmbeddingError: there is no such file, it is damaged, it is not one of these, or an
            embedding is not finite.
    """
    if not path.is_file():
        raise EmbeddingError(f"{path}: no such file{near_file(path)}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop(ABOUT)))
        if about["format"] != FORMAT:
            raise ValueError(f"of the format {about['format']!r}, not {FORMAT!r}")
        about = {key: about[key] for key in KEYS}
        embeddings = EmbeddingSet(
            ids=arrays["ids"],
            fused=arrays["fused"],
            features=_named(arrays, FEATURES),
            queries=_named(arrays, QUERIES),
            labels=arrays.get("labels"),
            scores=arrays.get("scores"),
            inputs=_named(arrays, INPUTS),
        )
    except (*UNREADABLE, AttributeError, TypeError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else first_line(error)
        raise EmbeddingError(
            f"{path}: damaged, or not written by 'refnet embed' ({said})"
        ) from None
    if not isinstance(about["miniature"], dict | None):
        raise EmbeddingError(f"{path}: {ABOUT}: miniature: expected an object or null")
    for name, rows in arrays.items():
        _check_kind(path, name, rows)
    for name, rows in arrays.items():
        if len(rows) != len(embeddings):
            raise EmbeddingError(
                f"{path}: {name}: expected {len(embeddings)} rows, got {len(rows)}"
            )
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise EmbeddingError(f"{path}: {name}: holds values that are not finite")
    if len(embeddings) == 0:
        raise EmbeddingError(f"{path}: holds no samples")
    labels = embeddings.labels
    if labels is not None and labels.ndim == 2 and ((labels < 0) | (labels > 1)).any():
        raise EmbeddingError(f"{path}: labels: expected label sets, of values from 0 to 1")
    return EmbeddingFile(path, embeddings, about)


def _check_kind(path: Path, name: str, rows: Any) -> None:
    """Refuse an array of another kind or shape than its name asks for.

    Raises:
        EmbeddingError: one line.
    """
    if name == "ids":
        fits, expected = rows.ndim == 1, "a row of ids"
    elif name == "labels":
        fits, expected = rows.dtype.kind in "iufb" and rows.ndim in (1, 2), "numbers, [N] or [N, C]"
    else:
        fits, expected = rows.dtype.kind == "f" and rows.ndim == 2, "numbers with a point, [N, D]"
    if not fits:
        raise EmbeddingError(
            f"{path}: {name}: expected {expected}, got {rows.dtype} of shape {rows.shape}"
        )


def _named(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): rows for name, rows in arrays.items() if name.startswith(prefix)
    }
