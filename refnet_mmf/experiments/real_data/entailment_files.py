"""SNLI-VE as it is published: ``snli_ve_*.jsonl``, and the pictures of Flickr30k."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from refnet_mmf.core.messages import check_name
from refnet_mmf.experiments.real_data.description import DataError, text_field
from refnet_mmf.experiments.real_data.json_rows import read_rows
from refnet_mmf.experiments.real_data.raw_folder import RawFolder, hidden, open_raw
from refnet_mmf.plugin.annotation_fields import ENTAILMENT_CLASSES, Row

FILE = "snli_ve_{split}.jsonl"
NO_CONSENSUS = "-"
PICTURE_FOLDERS = ("flickr30k-images", "flickr30k_images")
PICTURES = (
    *PICTURE_FOLDERS,
    *(f"{name}.tar.gz" for name in (*PICTURE_FOLDERS, "flickr30_images")),
)
"""Names that Flickr30k's pictures are found under, beside the annotations."""


class EntailmentFiles:
    """The opened files."""

    def __init__(self, folder: RawFolder, pictures: RawFolder | None) -> None:
        self.name = folder.name
        self._folder = folder
        self._pictures = pictures

    def count(self, split: str) -> None:
        """Return None: the rows of a file have not been counted."""

    def rows(self, split: str) -> Iterator[dict[str, Any] | None]:
        """Yield a split's rows, None for one without a consensus."""
        relative = FILE.format(split=split)
        file = self._folder.find(relative)
        if file is None:
            raise DataError(f"{self.name}: {relative} is missing")
        for place, raw in read_rows(file, self._folder.place(relative)):
            try:
                row = convert_row(raw)
            except ValueError as error:
                raise DataError(f"{place}: {error}") from None
            yield row

    def picture(self, name: str) -> Path | None:
        """Return the file of a picture."""
        return self._pictures.find(name) if self._pictures else None

    def notes(self) -> list[str]:
        """Say which fields were kept."""
        return ["of each row are kept what MMF reads, the caption of the picture, and pairID"]


def open_files(
    raw: Path, pictures: Path | None, scratch: Path, with_pictures: bool
) -> EntailmentFiles:
    """Open a folder (or archive) of annotations, and one of pictures.

    Args:
        raw: holds ``snli_ve_*.jsonl``, itself or in a folder.
        pictures: holds ``<number>.jpg``, itself or in a folder; None: looked for in ``raw``.
        scratch: where archives may be extracted.
        with_pictures: whether pictures are needed at all.

    Raises:
        DataError: something is missing.
    """
    train = FILE.format(split="train")
    folder = open_raw(raw, scratch / "annotations", _is_annotation)
    folder = folder.where(lambda path: (path / train).exists())
    if not with_pictures:
        return EntailmentFiles(folder, None)
    if pictures is None:
        pictures = next((raw / name for name in PICTURES if (raw / name).exists()), None)
    if pictures is None:
        raise DataError(
            f"{raw}: holds no pictures ({', '.join(PICTURES)}); name them by --pictures, or "
            "convert without by --no-pictures"
        )
    images = open_raw(pictures, scratch / "pictures", _is_picture)
    return EntailmentFiles(folder, images.where(lambda path: any(path.glob("*.jpg"))))


def convert_row(raw: Row) -> dict[str, Any] | None:
    """Convert a published row into what MMF reads; MMF keeps all rows in memory.

    Returns:
        The row; None if its annotators did not agree on a label.

    Raises:
        ValueError: a field is missing or wrong.
    """
    label = text_field(raw, "gold_label")
    if label == NO_CONSENSUS:
        return None
    check_name("gold_label", "label", label, ENTAILMENT_CLASSES)
    # One published version has the one field, with .jpg, another the other, without.
    field = "Flikr30kID" if "Flikr30kID" in raw else "Flickr30K_ID"
    picture = text_field(raw, field).removesuffix(".jpg")
    if not re.fullmatch(r"[0-9A-Za-z_-]+", picture):
        raise ValueError(f"{field}: expected a picture's number, got {raw[field]!r:.80}")
    kept = {name: raw[name] for name in ("pairID", "sentence1") if name in raw}
    return {
        **kept,
        "Flikr30kID": f"{picture}.jpg",
        "sentence2": text_field(raw, "sentence2"),
        "gold_label": label,
    }


def _is_annotation(path: PurePosixPath) -> bool:
    return path.suffix == ".jsonl" and not hidden(path.name)


def _is_picture(path: PurePosixPath) -> bool:
    return path.suffix == ".jpg" and not hidden(path.name)
