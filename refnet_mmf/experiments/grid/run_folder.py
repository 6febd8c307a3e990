"""What a run's folder says of the run: with what it was made, and what it has come to."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refnet_mmf.experiments.grid.yaml_hashes import yaml_hashes
from refnet_mmf.experiments.mmf_run import THREADS, Run
from refnet_mmf.experiments.versions import versions
from refnet_mmf.paths import EVALUATIONS
from refnet_mmf.plugin.atomic_file import write_atomically

STARTED, FINISHED = "run.json", "result.json"
YAML_FILES = "YAML files"
LEVELS = 5
"""A run's folder is so many levels below the folder of results: runs/SCALE/CELL/data-N/seed-N."""


class RunFolderError(ValueError):
    """A run's folder that is another run's, or that can't be read; one line."""


@dataclass(frozen=True)
class Result:
    """What a finished run has come to.

    Attributes:
        seconds: of all its parts together.
        values: by split, what the last evaluation measured, by MMF's key.
    """

    seconds: float
    values: Mapping[str, Mapping[str, float]]

    def value(self, split: str, data_set: str, metric: str) -> float:
        """Return a metric of a split.

        Raises:
            RunFolderError: the run has not measured it, or it is no number.
        """
        value = self.measured(split, data_set, metric)
        if not math.isfinite(value):
            raise RunFolderError(f"{split}/{data_set}/{metric} is {value}")
        return value

    def measured(self, split: str, data_set: str, metric: str) -> float:
        """Return a metric of a split, which of a run that diverged may be NaN.

        Raises:
            RunFolderError: the run has not measured it.
        """
        key = f"{split}/{data_set}/{metric}"
        try:
            return self.values[split][key]
        except KeyError:
            raise RunFolderError(
                f"no value {key}; there: {', '.join(self.values.get(split, {})) or 'none'}"
            ) from None


def start(run: Run) -> float:
    """Claim a run's folder, new or cut off in the middle.

    Returns:
        Seconds that the run has taken up to now.

    Raises:
        RunFolderError: the folder holds another run, or one of other versions.
    """
    known = _claimed(run) or {}
    seconds = known.get("seconds", 0.0)
    if not isinstance(seconds, int | float):
        raise RunFolderError(f"{run.folder / STARTED}: seconds: expected a number, got {seconds!r}")
    write_json({**_identity(run), **known, "seconds": seconds}, run.folder / STARTED)
    return float(seconds)


def note_seconds(run: Run, seconds: float) -> None:
    """Keep how long a run has taken up to now."""
    known = read_json(run.folder / STARTED) or {}
    write_json({**known, "seconds": seconds}, run.folder / STARTED)


def finish(run: Run, seconds: float) -> Result:
    """Write down what a run has come to.

    Raises:
        RunFolderError: it has evaluated nothing.
    """
    values = read_json(run.folder / EVALUATIONS)
    if not values:
        raise RunFolderError(f"{run.folder}: the run has evaluated nothing")
    write_json(
        {**(read_json(run.folder / STARTED) or {}), "seconds": seconds, "values": values},
        run.folder / FINISHED,
    )
    return Result(seconds, _numbers(values))


def result_of(run: Run) -> Result | None:
    """Return what a run has come to; None: it is not finished.

    Raises:
        RunFolderError: the folder holds another run, or one of other versions, or is damaged.
    """
    path = run.folder / FINISHED
    found = read_json(path)
    if found is None:
        return None
    _refuse_another(run, found)
    _claimed(run)
    try:
        return Result(float(found["seconds"]), _numbers(found["values"]))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise RunFolderError(
            f"{path}: damaged: not what a run has come to; remove it, and the run goes on"
        ) from None


def _numbers(values: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return values as numbers: what is none, JSON holds as a word."""
    return {
        split: {key: float(value) for key, value in measured.items()}
        for split, measured in values.items()
    }


def _identity(run: Run) -> dict[str, Any]:
    return {"command": run.command, "versions": versions(), YAML_FILES: yaml_hashes(run)}


def _claimed(run: Run) -> dict[str, Any] | None:
    """Return what a run's folder says of its start; None: it is new.

    Raises:
        RunFolderError: the folder holds another run, or one of other versions.
    """
    known = read_json(run.folder / STARTED)
    if known is not None:
        _refuse_another(run, known)
    return known


def _refuse_another(run: Run, known: Mapping[str, Any]) -> None:
    """Refuse a folder that says of itself that it is another run's.

    One that does not say what the YAML files said is taken as it is.

    Raises:
        RunFolderError: one line.
    """
    identity = _identity(run)
    before = _words({YAML_FILES: identity[YAML_FILES], **known})
    now = _words(identity)
    for key in now:
        if before[key] != now[key]:
            old, new = (
                " ".join(word for word in one if word not in other) or "nothing"
                for one, other in ((before[key], now[key]), (now[key], before[key]))
            )
            raise RunFolderError(
                f"{run.folder}: holds a run with another {key.removesuffix('s')} ({old}; now "
                f"{new}); remove it, or choose another --out"
            )


def _words(identity: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the words of what a run was made with, to be compared."""
    words = {"command": wherever_it_lies(str(identity.get("command")))}
    for key in ("versions", YAML_FILES):
        given = identity.get(key)
        found = given.items() if isinstance(given, Mapping) else [(key, given)]
        words[key] = [f"{k} {v}" for k, v in found]
    return words


def wherever_it_lies(command: str) -> list[str]:
    """Return the words of a run's command without what moving its folders changes.

    Left out is where the run writes, which is the folder that is asked; data below the folder of
    results is named from there, and a YAML of ours from the package.
    """
    try:
        words = [word for word in shlex.split(command) if word != THREADS]
    except ValueError:  # a quote that is not closed
        return [command]
    keys = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    results = results_of(words)
    data = Path(keys.get("env.data_dir", ""))
    if data.is_relative_to(results):
        words = [
            f"env.data_dir={data.relative_to(results)}" if word == f"env.data_dir={data}" else word
            for word in words
        ]
    return [
        re.sub(r"^config=.*/(projects/)", r"config=\1", word)
        for word in words
        if not word.startswith("env.save_dir=")
    ]


def results_of(words: Sequence[str]) -> Path:
    """Return the folder of results below which a run with the words of this command writes."""
    place = dict(word.partition("=")[::2] for word in words).get("env.save_dir", "")
    *_, results = Path(place).parents[:LEVELS] or [Path()]
    return results


def write_json(content: Any, path: Path) -> None:
    """Write a file, whole or not at all."""
    write_atomically(json.dumps(content, indent=2) + "\n", path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read an object from a file of a run's folder; None: there is no such file.

    Raises:
        RunFolderError: it is cut off, or holds something else.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: expected an object, found a {type(content).__name__}")
    return content
