"""Checks the pictures that rows name: that they are there and can be decoded."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from refnet_mmf.experiments.real_data.description import DataSet, Sample
from refnet_mmf.experiments.real_data.findings import MISSING, PICTURES, WRONG, Finding

EXTENSIONS = (".jpg", ".jpeg", ".png")


def check_pictures(data_set: DataSet, datasets: Path, samples: Collection[Sample]) -> list[Finding]:
    """Open and decode the pictures of ``samples``."""
    folder = datasets / data_set.pictures
    what = f"pictures in {Path(data_set.pictures).name}/"
    expected = f"{len(samples):,} named"
    if not folder.is_dir():
        return [Finding(PICTURES, what, "-", expected, MISSING)]
    missing, broken = [], []
    for sample in tqdm(samples, desc="pictures", unit="picture", leave=False):
        file = find_picture(folder, sample.picture)
        if file is None:
            missing.append(f"{folder / sample.picture}: no such picture")
        elif problem := decoding_problem(file):
            broken.append(f"{file}: {problem}")
    found = f"{len(samples) - len(missing) - len(broken):,} can be read"
    if not missing and not broken:
        return [Finding(PICTURES, what, found, expected)]
    told = [f"{len(missing):,} missing"] * bool(missing) + [f"{len(broken):,} broken"] * bool(
        broken
    )
    detail = f"{', '.join(told)}; the first: {(missing or broken)[0]}"
    return [Finding(PICTURES, what, found, expected, WRONG, detail)]


def find_picture(folder: Path, name: str) -> Path | None:
    """Return a picture's file; where MMF's lines look for other extensions, so does this."""
    stem = Path(name).with_suffix("") if Path(name).suffix in EXTENSIONS else Path(name)
    names = [name, *(f"{stem}{extension}" for extension in EXTENSIONS)]
    return next((folder / n for n in names if (folder / n).is_file()), None)


def decoding_problem(file: Path) -> str:
    """Decode a picture; say what is wrong with it, if anything is."""
    try:
        with Image.open(file) as picture:
            picture.verify()
        with Image.open(file) as picture:  # verify leaves it unusable, and misses a cut-off JPEG
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"can't be decoded: {error}"
    return ""
