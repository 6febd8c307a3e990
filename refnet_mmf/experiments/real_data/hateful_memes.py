"""Hateful Memes: a meme's picture and text, and whether it is hateful."""

from __future__ import annotations

from pathlib import PurePosixPath

from refnet_mmf.experiments.real_data.description import (
    AnnotationFile,
    DataSet,
    Sample,
    text_field,
)
from refnet_mmf.plugin.annotation_fields import Row, fields_check

_FOLDER = "hateful_memes/defaults"
_ZOO = "https://dl.fbaipublicfiles.com/mmf/data/datasets/hateful_memes/defaults/features"
_CHALLENGE = (
    "https://www.drivendata.org/competitions/70/hateful-memes-phase-2/data (its licence has to be "
    "accepted), then 'mmf_convert_hm --zip_file=FILE --password=PASSWORD "
    "--mmf_data_folder={data_dir}', or by hand: "
)


_check_fields = fields_check("hateful_memes")


def read(row: Row) -> Sample:
    """Read a row as MMF does.

    Raises:
        ValueError: MMF can't use it.
    """
    _check_fields(row)
    text_field(row, "text")
    picture = text_field(row, "img")
    label = row.get("label")
    if "label" in row and (isinstance(label, bool) or not isinstance(label, int)):
        raise ValueError(f"label: expected 0 or 1, got {label!r:.80}")
    stem = PurePosixPath(picture).name.split(".")[0]
    return Sample(picture, stem, (str(label),) if "label" in row else None)


HATEFUL_MEMES = DataSet(
    name="hateful_memes",
    annotations=f"{_FOLDER}/annotations",
    # The challenge's first phase named its files dev and test; its second phase calls them seen.
    files={
        "train.jsonl": AnnotationFile("train", (8500,)),
        "dev.jsonl": AnnotationFile("dev", (500, 540)),
        "test.jsonl": AnnotationFile("test", (1000, 2000)),
        "dev_seen.jsonl": AnnotationFile("dev", (500,)),
        "test_seen.jsonl": AnnotationFile("test", (1000,)),
        "dev_unseen.jsonl": AnnotationFile("dev", (540,)),
        "test_unseen.jsonl": AnnotationFile("test", (2000,)),
    },
    evaluation=(
        ("dev.jsonl", "test.jsonl"),
        ("dev_seen.jsonl", "test_seen.jsonl"),
        ("dev_unseen.jsonl", "test_unseen.jsonl"),
    ),
    pictures=f"{_FOLDER}/images",
    features=f"{_FOLDER}/features/detectron.lmdb",
    read=read,
    fields="id, img, text, label",
    classes=("0", "1"),
    sources={
        "annotations": f"{_CHALLENGE}its .jsonl files to {{datasets}}/{_FOLDER}/annotations/",
        "pictures": f"{_CHALLENGE}its folder img to {{datasets}}/{_FOLDER}/images/img/",
        "features": (
            f"MMF downloads them at the first run with use_features; or unpack "
            f"{_ZOO}/features.tar.gz (of MMF's PyPI line; of main: "
            f"{_ZOO}/features_2020_10_01.tar.gz) into {{datasets}}/{_FOLDER}/features/"
        ),
    },
)
