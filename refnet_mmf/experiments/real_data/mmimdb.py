"""MM-IMDB: a movie's poster and plot, and its genres."""

from __future__ import annotations

from pathlib import PurePosixPath

from refnet_mmf.experiments.real_data.description import (
    AnnotationFile,
    DataSet,
    Sample,
    list_field,
    text_field,
)
from refnet_mmf.plugin.annotation_fields import RARE_GENRES, Row, check_genres, fields_check
from refnet_mmf.plugin.class_lines import processed

_FOLDER = "mmimdb/defaults"
_ZOO = "https://dl.fbaipublicfiles.com/mmf/data/datasets/mmimdb/defaults"
_CONVERT = (
    "https://archive.org/download/mmimdb/mmimdb.tar.gz, then "
    "'refnet data convert mmimdb mmimdb.tar.gz --out {data_dir}'"
)
PICTURE_FIELDS = ("identifier", "image_path", "image_name", "img", "image_id")
"""Fields that MMF takes a picture's name from; the first that is there counts."""
GENRES = (
    "action",
    "adventure",
    "animation",
    "biography",
    "comedy",
    "crime",
    "documentary",
    "drama",
    "family",
    "fantasy",
    "film-noir",
    "history",
    "horror",
    "music",
    "musical",
    "mystery",
    "romance",
    "sci-fi",
    "short",
    "sport",
    "thriller",
    "war",
    "western",
)
"""The classes."""


_check_fields = fields_check("mmimdb")


def read(row: Row) -> Sample:
    """Read a row as MMF does.

    Raises:
        ValueError: MMF can't use it.
    """
    _check_fields(row)
    if isinstance(row.get("plot"), list):
        text_field({"plot": row["plot"][0] if row["plot"] else None}, "plot")
    else:
        text_field(row, "plot")
    genres = list_field(row, "genres")
    check_genres(genres)
    name = next((field for field in PICTURE_FIELDS if field in row), None)
    if name is None and "feature_path" not in row:
        raise ValueError(f"no field names the poster (one of {', '.join(PICTURE_FIELDS)})")
    picture = text_field(row, name or "feature_path")
    feature = text_field(row, "feature_path") if "feature_path" in row else picture
    return Sample(
        picture,
        PurePosixPath(feature).stem,
        tuple(map(processed, genres)),
    )


MMIMDB = DataSet(
    name="mmimdb",
    annotations=f"{_FOLDER}/annotations",
    files={
        "train.jsonl": AnnotationFile("train", (15552,)),
        "dev.jsonl": AnnotationFile("dev", (2608,)),
        "test.jsonl": AnnotationFile("test", (7799,)),
    },
    evaluation=(("dev.jsonl", "test.jsonl"),),
    pictures=f"{_FOLDER}/images/mmimdb/dataset",
    features=f"{_FOLDER}/features/features.lmdb",
    read=read,
    fields="plot, genres, img or feature_path",
    classes=GENRES,
    class_file=f"{_FOLDER}/extras/classes_mm_imdb.txt",
    left_out=frozenset(RARE_GENRES),
    why_left_out="movies that have none of the 23 genres",
    published_with_left_out=True,
    may_lack=sum(RARE_GENRES.values()),
    sources={
        "annotations": _CONVERT,
        "pictures": _CONVERT,
        "features": (
            f"MMF downloads them at the first run with use_features; or download "
            f"{_ZOO}/features/features.tar.gz and add '--features features.tar.gz' to "
            "'refnet data convert'; runs by pictures (use_images: true, use_features: false) need "
            "none"
        ),
    },
)
