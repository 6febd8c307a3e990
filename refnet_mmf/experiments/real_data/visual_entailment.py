"""SNLI-VE: a picture of Flickr30k, a sentence, and whether the sentence follows from it."""

from __future__ import annotations

from pathlib import PurePosixPath

from refnet_mmf.experiments.real_data.description import (
    AnnotationFile,
    DataSet,
    Sample,
    text_field,
)
from refnet_mmf.plugin.annotation_fields import ENTAILMENT_CLASSES, Row, fields_check

_FOLDER = "visual_entailment/defaults"
_PICTURES = "flickr30k/defaults"
_ZOO = "https://dl.fbaipublicfiles.com/mmf/data/datasets/flickr30k/defaults"


_check_fields = fields_check("visual_entailment")


def read(row: Row) -> Sample:
    """Read a row as MMF does.

    Raises:
        ValueError: MMF can't use it.
    """
    _check_fields(row)
    picture = text_field(row, "Flikr30kID")
    text_field(row, "sentence2")
    label = text_field(row, "gold_label")
    return Sample(picture, PurePosixPath(picture).name.split(".")[0], (label,))


VISUAL_ENTAILMENT = DataSet(
    name="visual_entailment",
    annotations=f"{_FOLDER}/annotations",
    files={
        "snli_ve_train.jsonl": AnnotationFile("train", (529527,)),
        "snli_ve_dev.jsonl": AnnotationFile("dev", (17858,)),
        "snli_ve_test.jsonl": AnnotationFile("test", (17901,)),
    },
    evaluation=(("snli_ve_dev.jsonl", "snli_ve_test.jsonl"),),
    pictures=f"{_PICTURES}/images/flickr30k_images",
    features=f"{_PICTURES}/features/detectron.lmdb",
    read=read,
    fields="Flikr30kID, sentence2, gold_label",
    classes=ENTAILMENT_CLASSES,
    why_left_out="rows without a consensus (gold_label -)",
    sources={
        "annotations": (
            "https://github.com/necla-ml/SNLI-VE has links to snli_ve_train.jsonl, "
            "snli_ve_dev.jsonl and snli_ve_test.jsonl; put them into a folder RAW, then 'refnet "
            "data convert visual_entailment RAW --pictures FLICKR30K --out {data_dir}'"
        ),
        "pictures": (
            "Flickr30k, from https://shannon.cs.illinois.edu/DenotationGraph/ (on request); then "
            "'refnet data convert visual_entailment RAW --pictures flickr30k-images.tar.gz "
            "--out {data_dir}'"
        ),
        "features": (
            f"MMF downloads them at the first run with use_features; or download "
            f"{_ZOO}/features/features.tar.gz and add '--features features.tar.gz' to "
            "'refnet data convert'; runs by pictures (use_images: true, use_features: false) need "
            "none"
        ),
    },
)
