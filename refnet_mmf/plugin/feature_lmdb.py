"""Reads an lmdb of picture features as MMF's reader does, without running what is in it.

Needs no MMF.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refnet_mmf.plugin.errors import RefnetError

BOX_FIELDS = ("bbox", "num_boxes", "image_width", "image_height")
"""What models that look at the regions' places, such as ViLBERT, read of a picture's record."""
ARRAYS = {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (
        ("multiarray", "_reconstruct"),
        ("multiarray", "scalar"),
        ("numeric", "_frombuffer"),
    )
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
"""What pickles of plain values and arrays call; an lmdb of features needs no more."""


@dataclass(frozen=True)
class Record:
    """What is stored of a picture.

    Attributes:
        features: [regions, width].
        lacking: those of `BOX_FIELDS` that are not there.
    """

    features: npt.NDArray[np.floating[Any]]
    lacking: tuple[str, ...]


class FeatureLmdb:
    """An open lmdb: under ``keys`` a list of all keys, under each key a picture's record."""

    def __init__(self, environment: Any, name: Path) -> None:
        self._environment = environment
        self._name = name
        keys = self._load(b"keys")
        if not isinstance(keys, list) or not all(isinstance(key, bytes) for key in keys):
            raise RefnetError(
                f"{name}: has no list of keys under 'keys', by which MMF finds features"
            )
        self._keys = frozenset(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def key_of(self, feature: str) -> bytes | None:
        """Return the key that MMF reads for a feature's name; None if there is none.

        MMF tries the last number of the name first, without the zeros before it.
        """
        number = feature.split("_")[-1]
        names = [str(int(number))] if number.isdecimal() else []
        return next((n.encode() for n in (*names, feature) if n.encode() in self._keys), None)

    def record(self, key: bytes) -> Record:
        """Read and check a picture's record.

        Raises:
            ValueError: the record can't be used; says why.
        """
        record = self._load(key)
        if not isinstance(record, dict):
            raise ValueError("is in the list of keys, and has no record")
        values = record.get("features")
        if not isinstance(values, np.ndarray) or values.ndim < 2 or 0 in values.shape:
            raise ValueError("its features are no array [regions, width]")
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise ValueError("its features are not all finite numbers")
        lacking = tuple(field for field in BOX_FIELDS if field not in record)
        return Record(values.reshape(-1, values.shape[-1]), lacking)

    def width(self) -> int | None:
        """Return the width of a picture's features, those of the first key; None: there is none.

        Raises:
            RefnetError: its record can't be used.
        """
        if not self._keys:
            return None
        first = min(self._keys)
        try:
            return self.record(first).features.shape[1]
        except ValueError as error:
            raise RefnetError(f"{self._name}: {first.decode()!r}: {error}") from None

    def _load(self, key: bytes) -> Any:
        with self._environment.begin() as transaction:
            value = transaction.get(key)
        if value is None:
            return None
        try:
            return _PlainUnpickler(io.BytesIO(value)).load()
        except Exception as error:  # a damaged pickle raises almost anything
            raise RefnetError(
                f"{self._name}: the record {key.decode()!r} is damaged: {error}"
            ) from None


@contextmanager
def open_features(path: Path, name: Path | None = None) -> Iterator[FeatureLmdb]:
    """Open an lmdb, a folder or a single file, to read it.

    Args:
        path: of the folder or file.
        name: what messages call it; None: its path.

    Raises:
        RefnetError: it is none, is truncated, or has no list of keys.
    """
    import lmdb

    name = name or path
    try:
        environment = lmdb.open(
            str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False
        )
    except lmdb.Error as error:
        why = str(error).removeprefix(f"{path}: ")
        raise RefnetError(f"{name}: is no lmdb that can be read ({why})") from None
    with environment:
        size = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        file = path / "data.mdb" if path.is_dir() else path
        if file.stat().st_size < size:  # to read beyond its end would kill the process
            raise RefnetError(
                f"{name}: is truncated: {file.stat().st_size:,} bytes, where {size:,} are needed"
            )
        yield FeatureLmdb(environment, name)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and is no plain data")
        return super().find_class(module, name)
