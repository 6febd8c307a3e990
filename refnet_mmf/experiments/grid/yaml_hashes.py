"""Hashes of what the package's YAML files say: a run of before an edit is another run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from refnet_mmf.experiments.mmf_run import Run
from refnet_mmf.paths import CONFIGS, PACKAGE

DIGITS = 12


def yaml_hashes(run: Run) -> dict[str, str]:
    """Return the hash of what each YAML file of a run says, by the file's place in the package.

    They are the one that the command names, the defaults of its model, and what these include.
    Comments and the order of keys do not count; MMF's own files have MMF's version.
    """
    given = dict(option.split("=", 1) for option in run.options if "=" in option)
    named = [Path(given["config"])] if "config" in given else []
    defaults = CONFIGS / "models" / f"{given.get('model')}.yaml"
    found: dict[str, str] = {}
    for file in (*named, defaults):
        for path, content in _with_included(file):
            name = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path
            found[name.as_posix()] = sha256(content.encode()).hexdigest()[:DIGITS]
    return dict(sorted(found.items()))


def _with_included(file: Path) -> Iterator[tuple[Path, str]]:
    """Yield a file and all that it includes, each with what it says; none that is not there."""
    path = Path(os.path.normpath(file))
    if not path.is_file():
        return
    content, includes = _read(path, path.stat().st_mtime_ns)
    yield path, content
    for name in includes:
        yield from _with_included(path.parent / name)


@cache
def _read(path: Path, changed: int) -> tuple[str, tuple[str, ...]]:
    """Return what a YAML file says, in one spelling, and what it includes."""
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    includes = content.get("includes") or () if isinstance(content, dict) else ()
    return json.dumps(content, sort_keys=True, default=str), tuple(map(str, includes))
