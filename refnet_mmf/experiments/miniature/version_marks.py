"""The marks by which MMF knows that a data set is there, and downloads nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

FALLBACK = {"hateful_memes": 1.020200511}
"""Versions in the zoo of MMF's PyPI line, for where MMF is not installed."""


def zoo_version(name: str) -> float:
    """Return the version of a data set in the zoo of the MMF that is installed.

    The two lines of MMF state different ones, and take a folder with the other's for absent.
    """
    spec = importlib.util.find_spec("mmf")
    if spec is None or not spec.submodule_search_locations:
        return FALLBACK[name]
    import yaml

    zoo = Path(spec.submodule_search_locations[0]) / "configs" / "zoo" / "datasets.yaml"
    entry = yaml.safe_load(zoo.read_text(encoding="utf-8"))[name]
    return float(entry["defaults"]["version"])


def mark_as_built(dataset_folder: Path, name: str) -> None:
    """Mark a data set's folder, and each part of it, as complete for the MMF that is installed.

    Args:
        dataset_folder: ``<env.data_dir>/datasets/<name>/defaults``.
        name: the data set, as in MMF.
    """
    mark = json.dumps({"version": zoo_version(name)})
    for folder in (dataset_folder, *(path for path in dataset_folder.iterdir() if path.is_dir())):
        (folder / ".built.json").write_text(mark, encoding="utf-8")
