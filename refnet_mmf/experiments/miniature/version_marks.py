"""The marks by which MMF knows that a data set is there, and downloads nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

FALLBACK = {
    "flickr30k": 1.020200529,
    "hateful_memes": 1.020200511,
    "mmimdb": 1.020200416,
    "visual_entailment": 1.020200529,
}
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
    # A data set without variations stands in the zoo one level higher.
    return float(entry.get("defaults", entry)["version"])


def mark_as_built(datasets: Path) -> None:
    """Mark all data sets of a folder as complete for the MMF that is installed.

    Args:
        datasets: ``<env.data_dir>/datasets``; ``<name>/defaults`` in it, and each part of that,
            gets the version of ``<name>`` in MMF's zoo.
    """
    for folder in datasets.glob("*/defaults"):
        mark = json.dumps({"version": zoo_version(folder.parent.name)})
        for part in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            (part / ".built.json").write_text(mark, encoding="utf-8")
