"""Hand-made data sets of a few rows, in the form in which the real ones are published."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from refnet_mmf.experiments.miniature.feature_store import write_feature_lmdb
from refnet_mmf.experiments.real_data.description import AnnotationFile, DataSet
from refnet_mmf.experiments.real_data.mmimdb import MMIMDB
from refnet_mmf.experiments.real_data.visual_entailment import VISUAL_ENTAILMENT

MOVIES = {
    "train": ["0000101", "0000102", "0000103", "0000104"],
    "dev": ["0000105", "0000106"],
    "test": ["0000107"],
}
GENRES = {
    "0000101": ["Drama", "Film-Noir"],
    "0000102": ["Comedy", "News"],
    "0000103": ["News", "Talk-Show"],  # none of the 23
    "0000104": ["Sci-Fi"],
    "0000105": ["Drama"],
    "0000106": ["Short", "Animation"],
    "0000107": ["War", "Drama"],
}
LABELS = ("entailment", "neutral", "contradiction", "-")
WIDTH = 2048


def counted(data_set: DataSet, **rows: int) -> DataSet:
    """The data set as if so many rows were published."""
    files = {
        name: AnnotationFile(file.split, (rows[file.split],))
        for name, file in data_set.files.items()
    }
    return replace(data_set, files=files)


SMALL_MMIMDB = counted(MMIMDB, train=4, dev=2, test=1)
SMALL_ENTAILMENT = counted(VISUAL_ENTAILMENT, train=6, dev=3, test=3)


def picture(file: Path, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 60), (10 * number, 0, 255 - 10 * number)).save(file)


def movie_folder(folder: Path) -> Path:
    """The folder ``mmimdb`` that the published archive unpacks to."""
    folder = folder / "mmimdb"
    (folder / "dataset").mkdir(parents=True)
    for number, (movie, genres) in enumerate(GENRES.items()):
        known = {"title": movie, "genres": genres, "plot": [f"plot of {movie}", "shorter"]}
        (folder / "dataset" / f"{movie}.json").write_text(json.dumps(known))
        picture(folder / "dataset" / f"{movie}.jpeg", number)
    (folder / "split.json").write_text(json.dumps(MOVIES))
    return folder


def archive(folder: Path, file: Path) -> Path:
    """A ``.tar.gz`` of a folder."""
    with tarfile.open(file, "w:gz") as tar:
        tar.add(folder, folder.name)
    return file


def entailment_folder(folder: Path) -> Path:
    """A folder with the three files of sentences, and the pictures."""
    folder.mkdir(parents=True)
    for split, count in (("train", 8), ("dev", 4), ("test", 4)):
        rows = [
            {
                "Flikr30kID": f"100{row % 2}.jpg",
                "gold_label": LABELS[row % 4],
                "pairID": f"100{row % 2}.jpg#{row}",
                "sentence1": "a caption",
                "sentence1_parse": "(ROOT ...)",
                "sentence2": f"sentence {row}",
            }
            for row in range(count)
        ]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"snli_ve_{split}.jsonl").write_text(lines)
    for number in range(2):
        picture(folder / "flickr30k-images" / f"100{number}.jpg", number)
    return folder


def features(lmdb: Path, keys, width=WIDTH) -> Path:
    """An lmdb of features of two regions, whose values tell the picture."""
    values = [
        (key, np.full((2, width), number, np.float32)) for number, key in enumerate(sorted(keys))
    ]
    write_feature_lmdb(lmdb, values, side=60)
    return lmdb
