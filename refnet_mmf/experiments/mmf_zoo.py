"""MMF's zoo: versions of data sets, and the marks by which MMF knows that a part is there."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from refnet_mmf.plugin.atomic_file import write_atomically

MARK = ".built.json"


@dataclass(frozen=True)
class ZooEntry:
    """A data set in the zoo.

    Attributes:
        version: what a mark has to hold; the two lines of MMF differ in some.
        parts: the parts that MMF wants marked, and downloads where they are not.
    """

    version: float
    parts: tuple[str, ...]


FALLBACK = {
    "flickr30k": ZooEntry(1.020200529, ("annotations", "images", "features")),
    "hateful_memes": ZooEntry(1.020200511, ("features", "extras")),
    "mmimdb": ZooEntry(1.020200416, ("features", "images", "annotations", "extras")),
    "visual_entailment": ZooEntry(1.020200529, ("annotations", "extras")),
}
"""What stands in the zoo of MMF's PyPI line, for where MMF is not installed."""


def mmf_folder() -> Path | None:
    """Return the folder of the MMF that is installed, which is not imported; None without one."""
    spec = importlib.util.find_spec("mmf")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def zoo_entry(name: str) -> ZooEntry:
    """Return a data set's entry in the zoo of the MMF that is installed."""
    folder = mmf_folder()
    if folder is None:
        return FALLBACK[name]
    entry = _read_yaml(folder / "configs" / "zoo" / "datasets.yaml")[name]
    entry = entry.get("defaults", entry)  # some stand without variations, one level higher
    return ZooEntry(float(entry["version"]), tuple(entry["resources"]))


def default_annotations(name: str) -> tuple[str, str] | None:
    """Return the files that the installed MMF validates and tests on by default, without folder."""
    folder = mmf_folder()
    if folder is None:
        return None
    config = _read_yaml(folder / "configs" / "datasets" / name / "defaults.yaml")
    annotations = config["dataset_config"][name]["annotations"]
    return Path(annotations["val"][0]).name, Path(annotations["test"][0]).name


def mark_folder(folder: Path, name: str) -> None:
    """Mark a folder with the version of data set ``name``; a mark that is right is left alone."""
    mark, file = json.dumps({"version": zoo_entry(name).version}), folder / MARK
    if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != mark:
        write_atomically(mark, file)


@cache
def _read_yaml(file: Path) -> Any:
    import yaml

    return yaml.safe_load(file.read_text(encoding="utf-8"))
