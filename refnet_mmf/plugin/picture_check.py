"""Checks that what an annotation's picture is read from is there: its feature or its file.

Which one a row means, MMF's own databases say, each line's in its way. Of a picture the first bytes
are read, of a feature nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmf.datasets.databases.features_database import FeaturesDatabase
from mmf.utils.general import get_absolute_path
from omegaconf import DictConfig, OmegaConf
from PIL import Image, UnidentifiedImageError

from refnet_mmf.plugin import mmf_lines
from refnet_mmf.plugin.annotation_fields import FIELDS, Row, RowCheck
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.feature_lmdb import open_features


def picture_check(name: str, section: DictConfig, split: str, index: int) -> RowCheck:
    """Return the check of a row's feature, or of its picture file where those are used.

    Args:
        name: the data set.
        section: its block of ``dataset_config``.
        split: the split.
        index: which of the split's annotation files the rows are of.

    Raises:
        RefnetError: the features or the folder of pictures are not there at all.
    """
    for kind, make in (("features", _feature_check), ("images", _file_check)):
        if section.get(f"use_{kind}", False):
            place = f"dataset_config.{name}.{kind}.{split}"
            paths = paths_of(section, kind, split)
            single = isinstance(section[kind][split], str) if paths else False
            if not paths or (index >= len(paths) and not single):
                raise RefnetError(f"{place}: expected a path for each annotation file")
            path = paths[0] if single else paths[index]
            for part in path.split(","):
                if not Path(part).exists():
                    raise RefnetError(f"{place}: no such file or folder: {part}")
            return make(name, section, path)
    return lambda row: None


def paths_of(section: DictConfig, kind: str, split: str) -> list[str]:
    """Return the paths of ``annotations``, ``features`` or ``images``, as MMF makes them.

    One entry may hold several paths of features, joined by commas.
    """
    values = (section.get(kind, None) or {}).get(split, None) or []
    data_dir = str(section.get("data_dir", ""))
    return [
        ",".join(get_absolute_path(str(Path(data_dir, part))) for part in value.split(","))
        for value in ([values] if isinstance(values, str) else values)
    ]


class _FeatureNames(FeaturesDatabase):
    """MMF's database of features; tells the name of a row's feature, and does not read it."""

    def from_path(self, path: str) -> str:
        return path


def _feature_check(name: str, section: DictConfig, paths: str) -> RowCheck:
    stores = [(path, _holds(Path(path))) for path in paths.split(",")]
    database = _FeatureNames(OmegaConf.create({**section, "fast_read": False}), paths)
    picture = FIELDS[name].picture
    seen: set[str] = set()

    def feature_of(row: Row) -> str:
        if picture is None:
            return str(_ask(database, row))
        return f"{row[picture].split('/')[-1].split('.')[0]}.npy"

    def check(row: Row) -> None:
        feature = feature_of(row)
        if feature not in seen:
            for path, holds in stores:
                if not holds(feature):
                    raise ValueError(f"no feature {feature.removesuffix('.npy')!r} in {path}")
            seen.add(feature)

    return check


def _holds(path: Path) -> Callable[[str], bool]:
    """Return what tells whether a feature is in an lmdb, or in a folder of ``.npy`` files."""
    if path.suffix != ".lmdb":
        return lambda feature: (path / feature).exists()
    with open_features(path) as store:
        return lambda feature: store.key_of(feature.removesuffix(".npy")) is not None


def _file_check(name: str, section: DictConfig, folder: str) -> RowCheck:
    checked: set[str] = set()

    def load(path: str) -> None:
        """Stand in for what loads a picture."""
        if path not in checked:
            _check_picture(Path(path))
            checked.add(path)

    database = mmf_lines.image_database(name)(section, folder, loader=load)
    seen: set[str] = set()

    def check(row: Row) -> None:
        if name != "visual_entailment":
            _ask(database, row)
        elif row["Flikr30kID"] not in seen:
            database.from_path(row["Flikr30kID"])
            seen.add(row["Flikr30kID"])

    return check


def _check_picture(path: Path) -> None:
    """Refuse a file that is not there, or whose first bytes are those of no picture."""
    if not path.is_file():
        raise ValueError(f"no such picture: {path}")
    try:
        Image.open(path).close()
    except (UnidentifiedImageError, OSError):
        raise ValueError(f"{path}: is no picture that can be read") from None


def _ask(database: Any, row: Row) -> Any:
    """Return what a database finds for a row; word it if no field tells where to look."""
    try:
        return database.get(row)
    except (AttributeError, KeyError, TypeError):
        fields = ", ".join(database._get_possible_attrs())
        raise ValueError(f"no field names its picture or feature (one of {fields})") from None
