"""Picture features in the lmdb that MMF's feature readers read."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_feature_lmdb(
    folder: Path, features: Iterable[tuple[str, npt.NDArray[np.float32]]], side: int
) -> None:
    """Write the features of pictures whose regions are the cells of a square grid.

    Args:
        folder: the lmdb, a folder that this makes; its name ends in ``.lmdb``.
        features: key and features [regions, width] of each picture; the keys sorted.
        side: width and height of the pictures, in pixels.
    """
    import lmdb

    records = [(key.encode(), pickle.dumps(_record(values, side), 4)) for key, values in features]
    size = sum(len(value) for _, value in records)
    folder.mkdir(parents=True)
    environment = lmdb.open(str(folder), map_size=2 * size + (1 << 24), lock=False)
    with environment.begin(write=True) as transaction:
        transaction.put(b"keys", pickle.dumps([key for key, _ in records], 4))
        for key, value in records:
            transaction.put(key, value)
    environment.close()


def _record(features: npt.NDArray[np.float32], side: int) -> dict[str, object]:
    count = len(features)
    cells = round(count**0.5)
    edge = side / cells
    boxes = [
        (column * edge, row * edge, (column + 1) * edge, (row + 1) * edge)
        for row in range(cells)
        for column in range(cells)
    ]
    return {
        "features": features,
        "bbox": np.array(boxes, dtype=np.float32),
        "num_boxes": count,
        "image_width": side,
        "image_height": side,
        "objects": np.zeros(count, dtype=np.int64),
        "cls_prob": np.full((count, 1), 1.0, dtype=np.float32),
    }
