"""Makes a miniature data set: its encoders, and the files that MMF's stock builder reads."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from refnet_mmf import __version__
from refnet_mmf.core.messages import first_line
from refnet_mmf.experiments.file_hash import file_hash
from refnet_mmf.experiments.miniature import hateful_memes, mmimdb, visual_entailment
from refnet_mmf.experiments.miniature.data_set import DataSet, Layout, Sample
from refnet_mmf.experiments.miniature.feature_store import write_feature_lmdb
from refnet_mmf.experiments.miniature.picture_encoder import (
    NETWORK,
    region_features,
    train_picture_encoder,
)
from refnet_mmf.experiments.miniature.pictures import SIDE, Scene, render
from refnet_mmf.experiments.miniature.text_encoder import train_text_encoder
from refnet_mmf.experiments.miniature.version_marks import mark_as_built
from refnet_mmf.experiments.versions import versions
from refnet_mmf.experiments.worker_processes import worker_processes
from refnet_mmf.paths import MANIFEST
from refnet_mmf.plugin.errors import shows_tracebacks

DATA_SETS: Mapping[str, DataSet] = {
    module.DATA_SET.name: module.DATA_SET for module in (hateful_memes, mmimdb, visual_entailment)
}


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
    "mini": Size(3996, 600, 2004, sentences=20000, text_updates=1500, picture_updates=450),
}
README = """MINIATURE {name}: generated pictures and sentences, NOT the real data set.

Made by refnet_mmf {version}, size {size}, seed {seed}: {counts}.
A number from these files says nothing about the real data set of the same name.

Use: refnet run config=projects/{name}/configs/mmbt/refnet_mini.yaml model=refnet_mmbt \\
         dataset={name} env.data_dir=<this folder>
encoders/bert is a tiny BERT, encoders/{network}.pt a small ResNet, both trained on generated
sentences and shapes alone; the features in the lmdb are that ResNet's.
"""


ENCODERS = "encoders"


class CannotMake(ValueError):  # noqa: N818
    """The data set can't be made there; the message says why, in one line."""


def make(name: str, size: str, folder: Path, seed: int) -> bool:
    """Make a miniature data set.

    Everything is written beside ``folder`` first and moved there when it is complete. The picture
    encoder depends on size and seed alone: that of a set that lies beside ``folder`` is taken over.

    Args:
        name: a key of `DATA_SETS`.
        size: a key of `SIZES`.
        folder: the value for MMF's ``env.data_dir``.
        seed: same seed, same bytes (of the encoders: with the same versions of the libraries).

    Returns:
        Whether it was made; False where the same set was there, whose marks are renewed for the
        MMF that is installed.

    Raises:
        CannotMake: the folder holds something else.
    """
    wanted = {"name": name, "size": size, "seed": seed, "version": __version__}
    if _is_there(folder):
        _check_same(folder, wanted)
        mark_as_built(folder / "datasets")
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh = Path(scratch) / "data"
        try:
            _write(fresh, DATA_SETS[name], SIZES[size], wanted, _encoder_beside(folder, wanted))
        except (CannotMake, OSError):
            raise
        except Exception as error:  # of a full disk torch, lmdb, safetensors have their own words
            if shows_tracebacks():
                raise
            said = first_line(error) or type(error).__name__
            raise CannotMake(f"{folder}: could not be made (is the disk full?): {said}") from None
        if _is_there(folder):  # another process has been faster
            _check_same(folder, wanted)
            return False
        fresh.replace(folder)
    return True


def _is_there(folder: Path) -> bool:
    """Tell whether there is something that a set must not take the place of."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _check_same(folder: Path, wanted: dict[str, Any]) -> None:
    manifest = folder / MANIFEST
    try:
        there = dict(json.loads(manifest.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise CannotMake(f"{folder}: holds other files; name a new or an empty folder") from None
    differing = [key for key in wanted if there.get(key) != wanted[key]]
    if differing:
        said = ", ".join(f"{key} {there.get(key)}, not {wanted[key]}" for key in differing)
        raise CannotMake(f"{folder}: holds a miniature set of {said}; name another folder")


@dataclass(frozen=True)
class _Encoder:
    """A picture encoder that is trained.

    Attributes:
        weights: its file.
        learnt: what training came to.
    """

    weights: Path
    learnt: dict[str, float]


def _encoder_beside(folder: Path, wanted: Mapping[str, Any]) -> _Encoder | None:
    """Find the picture encoder of another set of the same size, seed and version."""
    for manifest in sorted(folder.parent.glob(f"*/{MANIFEST}")):
        try:
            there = json.loads(manifest.read_text(encoding="utf-8"))
            known = there["encoders"]["picture"]
            same = all(there[key] == wanted[key] for key in ("size", "seed", "version"))
            found = _Encoder(manifest.parent / ENCODERS / f"{NETWORK}.pt", known)
            same = same and there["libraries"] == _libraries()
            if same and there["picture_encoder_sha256"] == file_hash(found.weights):
                return found
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return None


def _write(
    folder: Path,
    data_set: DataSet,
    size: Size,
    manifest: dict[str, Any],
    encoder: _Encoder | None,
) -> None:
    """Write a whole miniature set into a new folder; ``encoder``: the picture encoder, if known."""
    seed = manifest["seed"]
    datasets, encoders, layout = folder / "datasets", folder / ENCODERS, data_set.layout
    encoders.mkdir(parents=True)
    counts = {"train": size.train, "dev": size.dev, "test": size.test}
    splits = _draw(data_set, counts, seed)
    hashes = _write_texts(datasets, layout, splits)
    scenes = {
        datasets / layout.picture.format(key=key): sample.scene
        for samples in splits.values()
        for key, sample in samples.items()
    }
    weights = encoders / f"{NETWORK}.pt"
    with worker_processes(2) as pool:
        picture = pool.submit(_picture_encoder, weights, size, seed, encoder)
        text = pool.submit(
            train_text_encoder,
            data_set.corpus(seed, size.sentences),
            data_set.vocabulary,
            encoders / "bert",
            updates=size.text_updates,
            seed=seed,
            bar=1,
        )
        drawing = pool.submit(_write_pictures, scenes, bar=1)
        learnt = {"text": text.result(), "picture": picture.result()}
        drawing.result()
    features = region_features(weights, list(scenes))
    pairs = zip((file.stem for file in scenes), features, strict=True)
    write_feature_lmdb(datasets / layout.features, pairs, SIDE)
    mark_as_built(datasets)
    described = {**manifest, "counts": counts, "encoders": learnt, "annotations_sha256": hashes}
    described["sizes"] = asdict(size)
    described["libraries"] = _libraries()
    described["picture_encoder_sha256"] = file_hash(weights)
    _write_text(folder / MANIFEST, json.dumps(described, indent=2) + "\n")
    said = ", ".join(f"{count} {split}" for split, count in counts.items())
    _write_text(folder / "README.txt", README.format(**manifest, counts=said, network=NETWORK))


def _libraries() -> dict[str, str]:
    """Return the versions that the encoders' bytes depend on."""
    return versions(("torch", "torchvision", "transformers"))


def _picture_encoder(
    weights: Path, size: Size, seed: int, known: _Encoder | None
) -> dict[str, float]:
    """Put the picture encoder into its file, and return what training came to."""
    if known is None:
        return train_picture_encoder(weights, updates=size.picture_updates, seed=seed)
    shutil.copyfile(known.weights, weights)
    return known.learnt


def _draw(data_set: DataSet, counts: Mapping[str, int], seed: int) -> dict[str, dict[str, Sample]]:
    """Draw the samples of each split, by their keys."""
    splits: dict[str, dict[str, Sample]] = {}
    first = 1
    for split, count in counts.items():
        drawn = data_set.draw_split(seed, split, count)
        keys = (data_set.layout.key.format(number) for number in range(first, first + count))
        splits[split] = dict(zip(keys, drawn, strict=True))
        first += count
    return splits


def _write_texts(
    datasets: Path, layout: Layout, splits: Mapping[str, Mapping[str, Sample]]
) -> dict[str, str]:
    """Write annotations and lists; return the SHA-256 of each split's annotations."""
    hashes = {}
    for split, samples in splits.items():
        annotations = (sample.annotation(key) for key, sample in samples.items())
        lines = _lines(json.dumps(annotation) for annotation in annotations)
        hashes[split] = sha256(lines.encode()).hexdigest()
        for file in layout.annotations[split]:
            _write_text(datasets / file, lines)
        if split in layout.picture_lists:
            _write_text(datasets / layout.picture_lists[split], _lines(samples))
    for file, words in layout.words.items():
        _write_text(datasets / file, _lines(words))
    return hashes


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _write_pictures(scenes: Mapping[Path, Scene], bar: int) -> None:
    for folder in {file.parent for file in scenes}:
        folder.mkdir(parents=True)
    for file, scene in tqdm(scenes.items(), desc="pictures", unit="picture", position=bar):
        # The options are JPEG's: nearly without loss.
        Image.fromarray(render(scene)).save(file, quality=95, subsampling=0)
