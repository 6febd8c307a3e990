"""Hand-made MM-IMDB and SNLI-VE of a few samples, in the files that the stock builders read."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from refnet_mmf.experiments.miniature.feature_store import write_feature_lmdb

GENRES = ("drama", "comedy", "sci-fi", "war")
MARKS = {"mmimdb": 1.020200416, "visual_entailment": 1.020200529, "flickr30k": 1.020200529}
WIDTH = 8
SPLITS = ("train", "dev", "test")


def write_lines(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_picture(path: Path, number: int) -> None:
    """A picture of one colour, which tells which one it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (10 * number, 0, 255 - 10 * number)).save(path)


def write_features(path: Path, keys) -> None:
    features = [(key, np.full((4, WIDTH), k, np.float32)) for k, key in enumerate(sorted(keys))]
    write_feature_lmdb(path, features, side=40)


def mark(data: Path, name: str) -> None:
    """Mark a set as complete, so that MMF downloads nothing."""
    folder = data / "datasets" / name / "defaults"
    for part in (folder, *(folder / p for p in ("annotations", "features", "images", "extras"))):
        part.mkdir(parents=True, exist_ok=True)
        (part / ".built.json").write_text(json.dumps({"version": MARKS[name]}))


def movies(data: Path, rows=None, classes=GENRES) -> Path:
    """Write six movies, two a split; ``rows`` replaces those of the training split."""
    folder = data / "datasets" / "mmimdb" / "defaults"
    keys = [f"000000{k}" for k in range(1, 7)]
    genres = [["Drama"], ["Comedy", "Sci-Fi"], ["war"], ["Drama", "War"], ["comedy"], ["Sci-Fi"]]
    samples = [
        {"image_id": key, "plot": [f"plot {key}", "other"], "genres": labels}
        for key, labels in zip(keys, genres, strict=True)
    ]
    for split, start in zip(SPLITS, (0, 2, 4), strict=True):
        mine = samples[start : start + 2] if rows is None or split != "train" else rows
        mine = [{**row, "feature_path": f"{row.get('image_id')}.npy"} for row in mine]
        write_lines(folder / "annotations" / f"{split}.jsonl", mine)
    (folder / "extras").mkdir(exist_ok=True)
    (folder / "extras" / "classes_mm_imdb.txt").write_text("".join(f"{c}\n" for c in classes))
    for number, key in enumerate(keys):
        write_picture(folder / "images" / "mmimdb" / "dataset" / f"{key}.jpeg", number)
    write_features(folder / "features" / "features.lmdb", keys)
    mark(data, "mmimdb")
    return data


def entailment(data: Path, rows=None) -> Path:
    """Write three sentences a split over two pictures; ``rows`` replaces the training split's."""
    folder = data / "datasets"
    labels = ("entailment", "neutral", "contradiction")
    samples = [
        {"Flikr30kID": f"10{k % 2}.jpg", "sentence2": f"sentence {k}", "gold_label": label}
        for k, label in enumerate(labels)
    ]
    for split in SPLITS:
        mine = samples if rows is None or split != "train" else rows
        write_lines(folder / f"visual_entailment/defaults/annotations/snli_ve_{split}.jsonl", mine)
    for number in range(2):
        write_picture(folder / f"flickr30k/defaults/images/flickr30k_images/10{number}.jpg", number)
    write_features(folder / "flickr30k/defaults/features/detectron.lmdb", ["100", "101"])
    mark(data, "visual_entailment")
    mark(data, "flickr30k")
    return data


def configuration(name: str, data: Path, *options):
    """MMF's configuration of a run on one of these sets, as mmf_run builds it."""
    from mmf.common.registry import registry
    from mmf.utils.configuration import Configuration
    from mmf.utils.env import setup_imports

    import refnet_mmf

    refnet_mmf.register()
    setup_imports()
    opts = ["model=mmbt", f"dataset={name}", f"env.data_dir={data}", *options]
    built = Configuration(argparse.Namespace(config_override=None, opts=opts))
    registry.register("configuration", built)
    built.freeze()
    registry.register("config", built.get_config())
    return built.get_config()
