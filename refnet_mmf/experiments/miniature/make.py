"""Makes a miniature data set: its encoders, and the files that MMF's stock builder reads."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from refnet_mmf import __version__
from refnet_mmf.experiments.miniature import hateful_memes
from refnet_mmf.experiments.miniature.feature_store import write_feature_lmdb
from refnet_mmf.experiments.miniature.hateful_memes import Meme
from refnet_mmf.experiments.miniature.picture_encoder import (
    NETWORK,
    region_features,
    train_picture_encoder,
)
from refnet_mmf.experiments.miniature.pictures import SIDE, Scene, render
from refnet_mmf.experiments.miniature.text_encoder import train_text_encoder
from refnet_mmf.experiments.miniature.version_marks import mark_as_built

MANIFEST = "miniature.json"


@dataclass(frozen=True)
class Size:
    """How large a set is, and how long its encoders are trained.

    Attributes:
        train: samples to learn from, a multiple of 12, as are the others.
        dev: samples to choose by.
        test: samples to report on.
        sentences: for the text encoder.
        text_updates: of the text encoder.
        picture_updates: of the picture encoder.
    """

    train: int
    dev: int
    test: int
    sentences: int
    text_updates: int
    picture_updates: int


SIZES = {
    "tiny": Size(72, 36, 36, sentences=400, text_updates=20, picture_updates=5),
    "mini": Size(3996, 600, 2004, sentences=20000, text_updates=900, picture_updates=450),
}
NAMES = ("hateful_memes",)

# Stock builders read dev and test under these names, one line those, one line the others.
SPLIT_FILES = {
    "train": ("train",),
    "dev": ("dev", "dev_seen", "dev_unseen"),
    "test": ("test", "test_seen", "test_unseen"),
}
README = """MINIATURE {name}: generated pictures and sentences, NOT the real data set.

Made by refnet_mmf {version}, size {size}, seed {seed}: {counts}.
A number from these files says nothing about the real data set of the same name.

Use: mmf_run dataset={name} env.data_dir=<this folder> ...
encoders/bert is a tiny BERT, encoders/{network}.pt a small ResNet, both trained on generated
sentences and shapes alone; the features in the lmdb are that ResNet's.
"""


class CannotMake(ValueError):  # noqa: N818
    """The data set can't be made there; the message says why, in one line."""


def make(name: str, size: str, folder: Path, seed: int) -> bool:
    """Make a miniature data set.

    Everything is written beside ``folder`` first and moved there when it is complete.

    Args:
        name: the data set, as in MMF.
        size: a key of :data:`SIZES`.
        folder: the value for MMF's ``env.data_dir``.
        seed: same seed, same bytes (of the encoders: with the same versions of the libraries).

    Returns:
        Whether it was made; False where the same set was there, whose marks are renewed for the
        MMF that is installed.

    Raises:
        CannotMake: the folder holds something else.
    """
    wanted = {"name": name, "size": size, "seed": seed, "version": __version__}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        _check_same(folder, wanted)
        mark_as_built(_dataset_folder(folder), name)
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh = Path(scratch) / "data"
        _write(fresh, SIZES[size], wanted)
        if folder.exists():
            folder.rmdir()
        shutil.move(fresh, folder)
    return True


def _dataset_folder(folder: Path) -> Path:
    return folder / "datasets" / "hateful_memes" / "defaults"


def _check_same(folder: Path, wanted: dict[str, Any]) -> None:
    manifest = folder / MANIFEST
    try:
        there = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CannotMake(f"{folder}: holds other files; name a new or an empty folder") from None
    differing = [key for key in wanted if there.get(key) != wanted[key]]
    if differing:
        said = ", ".join(f"{key} {there.get(key)}, not {wanted[key]}" for key in differing)
        raise CannotMake(f"{folder}: holds a miniature set of {said}; name another folder")


def _write(folder: Path, size: Size, manifest: dict[str, Any]) -> None:
    """Write a whole miniature set of memes into a new folder."""
    seed = manifest["seed"]
    dataset = _dataset_folder(folder)
    encoders = folder / "encoders"
    for part in (
        encoders,
        dataset / "annotations",
        dataset / "images" / "img",
        dataset / "features",
    ):
        part.mkdir(parents=True)
    counts = {"train": size.train, "dev": size.dev, "test": size.test}
    memes: list[tuple[str, Meme]] = []
    hashes = {}
    for split, count in counts.items():
        drawn = hateful_memes.draw_split(seed, split, count)
        numbered = [(f"{len(memes) + i:05d}", meme) for i, meme in enumerate(drawn, start=1)]
        memes += numbered
        lines = "".join(f"{_annotation(key, meme)}\n" for key, meme in numbered)
        hashes[split] = sha256(lines.encode()).hexdigest()
        for file in SPLIT_FILES[split]:
            (dataset / "annotations" / f"{file}.jsonl").write_text(lines, encoding="utf-8")
    scenes = [(key, meme.scene) for key, meme in memes]
    weights = encoders / f"{NETWORK}.pt"
    with _processes() as pool:
        picture = pool.submit(
            train_picture_encoder, weights, updates=size.picture_updates, seed=seed
        )
        text = pool.submit(
            train_text_encoder,
            hateful_memes.corpus(seed, size.sentences),
            hateful_memes.GRAMMAR.words(),
            encoders / "bert",
            updates=size.text_updates,
            seed=seed,
            bar=1,
        )
        drawing = pool.submit(_write_pictures, dataset / "images" / "img", scenes, bar=1)
        learnt = {"text": text.result(), "picture": picture.result()}
        drawing.result()
    features = region_features(weights, [scene for _, scene in scenes])
    pairs = zip((key for key, _ in scenes), features, strict=True)
    write_feature_lmdb(dataset / "features" / "detectron.lmdb", pairs, SIDE)
    mark_as_built(dataset, manifest["name"])
    described = {**manifest, "counts": counts, "encoders": learnt, "annotations_sha256": hashes}
    described["sizes"] = asdict(size)
    (folder / MANIFEST).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    said = ", ".join(f"{count} {split}" for split, count in counts.items())
    readme = README.format(**manifest, counts=said, network=NETWORK)
    (folder / "README.txt").write_text(readme, encoding="utf-8")


def _annotation(key: str, meme: Meme) -> str:
    facts = {
        "topic": meme.topic,
        "group": meme.group,
        "confounder": meme.confounder,
        **asdict(meme.scene.shapes[0]),
    }
    return json.dumps(
        {
            "id": int(key),
            "img": f"img/{key}.png",
            "label": meme.label,
            "text": meme.text,
            "miniature": facts,
        }
    )


def _write_pictures(folder: Path, scenes: Sequence[tuple[str, Scene]], bar: int) -> None:
    for key, scene in tqdm(scenes, desc="pictures", unit="picture", position=bar):
        Image.fromarray(render(scene)).save(folder / f"{key}.png")


@contextmanager
def _processes() -> Iterator[ProcessPoolExecutor]:
    """Two processes, whose progress bars keep out of each other's way."""
    context = multiprocessing.get_context("spawn")
    lock = context.RLock()
    with ProcessPoolExecutor(2, context, initializer=tqdm.set_lock, initargs=(lock,)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
