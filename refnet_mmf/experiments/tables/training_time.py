"""Table A.7: seconds an update of ReFNet and ReFNetMS, as ratios to their baselines.

A round is one short run of each method, one after the other, in an order drawn anew: whatever else
the machine does meets all of them. A round that was cut off is measured again as a whole.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import StatisticsError, median
from typing import Any

import torch
from tqdm import tqdm

from refnet_mmf.experiments.experiment_names import MEMES, NAMES, VARIANTS
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import Cell, Job
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.grid.run_folder import (
    YAML_FILES,
    RunFolderError,
    read_json,
    wherever_it_lies,
    write_json,
)
from refnet_mmf.experiments.grid.runner import first_gpu
from refnet_mmf.experiments.grid.statistics import compare, summarize
from refnet_mmf.experiments.grid.yaml_hashes import yaml_hashes
from refnet_mmf.experiments.mmf_log import interval_seconds
from refnet_mmf.experiments.mmf_run import RunFailed, empty_folder, execute
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.processor import processor
from refnet_mmf.experiments.versions import versions

NAME = "a7"
TITLE = "training time of ReFNet and ReFNetMS as ratios to their baselines (A.7)"
MODELS = ("mmbt", "vilbert")
UPDATES, INTERVAL, WARM_UP = 120, 10, 2
ROUND = "round-{}.json"
_NEVER = 10 * UPDATES
OPTIONS = (
    f"training.max_updates={UPDATES}",
    f"training.log_interval={INTERVAL}",
    f"training.evaluation_interval={_NEVER}",
    f"training.checkpoint_interval={_NEVER}",
)
PAPERS_RATIOS = {"refnet": (1.03, 1.05), "refnetms": (1.30, 1.35)}
"""The ranges of the paper's ratios (A.7)."""


@dataclass(frozen=True)
class Round:
    """One run of each method, measured in one sitting.

    Attributes:
        model: a folder of ``projects/<data set>/configs``.
        path: the file that holds the times.
        jobs: the runs, by variant.
    """

    model: str
    path: Path
    jobs: Mapping[str, Job]


@dataclass(frozen=True)
class Times:
    """What the rounds have come to.

    Attributes:
        seconds: an update's, by round and variant: the median of the run's intervals.
        failures: of the rounds that have none, in the words of what went wrong.
        loads: of the machine before each round, by the machine's name.
    """

    seconds: dict[Path, Mapping[str, float]] = field(default_factory=dict)
    failures: dict[Path, str] = field(default_factory=dict)
    loads: dict[str, list[float]] = field(default_factory=dict)


def timed_cells() -> list[Cell]:
    """Return the experiments: short runs that neither evaluate nor write checkpoints."""
    return [
        Cell(MEMES, model, variant, OPTIONS, "time", "train")
        for model in MODELS
        for variant in VARIANTS
    ]


def rounds_of(jobs: Sequence[Job]) -> list[Round]:
    """Return the rounds: the jobs of one model, data seed and seed.

    Raises:
        GridError: one of the methods of a round is not among the jobs.
    """
    found: dict[Path, dict[str, Job]] = {}
    for job in jobs:
        folder = round_folder(job.cell, job.run.folder.parents[2])
        path = folder / job.run.folder.parent.name / ROUND.format(job.seed)
        found.setdefault(path, {})[job.cell.variant] = job
    for group in found.values():
        if set(group) != set(VARIANTS):
            raise GridError(
                f"--only: leaves {', '.join(group)} alone; a round needs {', '.join(VARIANTS)}: "
                f"name a part that all have, as {' or '.join(MODELS)}"
            )
    return [
        Round(next(iter(group.values())).cell.model, path, group) for path, group in found.items()
    ]


def round_folder(cell: Cell, grid: Path) -> Path:
    """Return where the rounds with this method are, in folders of data seeds below ``grid``."""
    return grid / f"{cell.data_set}-{cell.model}-{cell.label}"


def measure(rounds: Sequence[Round]) -> Times:
    """Measure the rounds that are not measured yet; one that fails does not stop the others."""
    return _times(tqdm(rounds, desc="rounds", unit="round"), lambda one: _stored(one) or _run(one))


def unmeasured(rounds: Iterable[Round]) -> list[Job]:
    """Return the jobs of the rounds that are not measured yet."""
    return [job for one in rounds if not one.path.exists() for job in one.jobs.values()]


def known_times(rounds: Iterable[Round]) -> Times:
    """Return the times of the rounds that are measured; the others are left out."""
    return _times(rounds, _stored)


def _times(rounds: Iterable[Round], content_of: Callable[[Round], dict[str, Any] | None]) -> Times:
    times = Times()
    for one in rounds:
        try:
            content = content_of(one)
        except (RunFailed, RunFolderError, OSError) as error:
            tqdm.write(str(error))
            times.failures[one.path] = str(error)
            continue
        if content is not None:
            times.seconds[one.path] = {name: median(content["seconds"][name]) for name in one.jobs}
            times.loads.setdefault(content["machine"], []).append(content["load"])
    return times


def time_rows(rounds: Sequence[Round], times: Times) -> Table:
    """Return seconds an update, and the ratios to the baseline, paired over rounds."""
    rows = []
    for model, measured in _by_model(rounds, times).items():
        for variant, prefix in VARIANTS.items():
            own = [seconds[variant] for seconds in measured]
            summary = summarize([1000 * value for value in own])
            spread = "" if math.isnan(summary.std) else f" ± {summary.std:.1f}"
            cells = [prefix + NAMES[model], f"{summary.mean:.1f}{spread}" if own else "-"]
            if variant == "baseline":
                cells += ["1", "-", "-"]
            else:
                baseline = [seconds["baseline"] for seconds in measured]
                low, high = PAPERS_RATIOS[variant]
                cells += [*spell_ratio(own, baseline), f"{low:.2f} to {high:.2f}"]
            rows.append([*cells, str(len(own))])
    header = ["model", "ms an update", "ratio", "95 % interval", "paper's ratio", "rounds"]
    return Table(f"Table {NAME}. {TITLE}", header, rows)


def _by_model(rounds: Sequence[Round], times: Times) -> dict[str, list[Mapping[str, float]]]:
    found: dict[str, list[Mapping[str, float]]] = {one.model: [] for one in rounds}
    for one in rounds:
        if one.path in times.seconds:
            found[one.model].append(times.seconds[one.path])
    return found


def ratios_of(rounds: Sequence[Round], times: Times, variant: str) -> dict[str, Ratio]:
    """Return a variant's ratio to its baseline, by the model's name."""
    return {
        NAMES[model]: ratio_of(
            [seconds[variant] for seconds in measured],
            [seconds["baseline"] for seconds in measured],
        )
        for model, measured in _by_model(rounds, times).items()
        if measured
    }


@dataclass(frozen=True)
class Ratio:
    """A ratio of paired times.

    Attributes:
        mean: the geometric mean of the rounds' ratios.
        low: the lower end of its 95 % interval, Student's t of the logarithms; NaN: one round.
        high: the upper end.
    """

    mean: float
    low: float
    high: float


def ratio_of(own: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Return the ratio of paired times."""
    compared = compare([math.log(t) for t in own], [math.log(t) for t in baseline])
    return Ratio(*map(math.exp, (compared.difference, compared.low, compared.high)))


def spell_ratio(own: Sequence[float], baseline: Sequence[float]) -> list[str]:
    """Word the ratio of paired times and its 95 % interval; with one round there is none."""
    if not own:
        return ["-", "-"]
    ratio = ratio_of(own, baseline)
    if math.isnan(ratio.low):
        return [f"{ratio.mean:.3f}", "-"]
    return [f"{ratio.mean:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}"]


def time_notes(times: Times, *, miniature: bool) -> list[str]:
    """Say how it was measured; ``miniature``: whether the networks are."""
    measured = UPDATES - WARM_UP * INTERVAL
    return [
        f"Each round runs every method once, one after the other in an order drawn anew, for "
        f"{UPDATES} updates with one thread of computing, without evaluation or "
        f"checkpoints. A run's time is the median of MMF's own timer over the last {measured} "
        f"updates, {INTERVAL} at a time, loading of data and logging included.",
        "Ratio: geometric mean over rounds of the ratio within a round; interval: Student's t on "
        "its logarithm.",
        "The paper does not say on what its ratios were measured.",
        *(
            [
                "A miniature network is so small that what REFINER adds weighs more, or less, than "
                "it would beside a BERT of full size."
            ]
            if miniature
            else []
        ),
        *(
            f"Measured on {machine}; load before the rounds {min(loads):.1f} to {max(loads):.1f}."
            for machine, loads in times.loads.items()
        ),
    ]


def _stored(one: Round) -> dict[str, Any] | None:
    found = read_json(one.path)
    if found is None:
        return None
    now = _compared(identity(one))
    known = _compared({YAML_FILES: now[YAML_FILES], **found})
    for key, value in now.items():
        if known.get(key) != value:
            raise RunFolderError(
                f"{one.path}: holds times of other {key}; remove it, or choose another --out"
            )
    if not _is_whole(found, one):
        raise RunFolderError(
            f"{one.path}: damaged: no times of a round; remove it, and they are measured again"
        )
    return found


def _is_whole(found: Mapping[str, Any], one: Round) -> bool:
    try:
        times = [median(found["seconds"][variant]) for variant in one.jobs]
        whole = isinstance(found["machine"], str) and math.isfinite(found["load"])
        return whole and all(0 < time < math.inf for time in times)
    except (KeyError, TypeError, StatisticsError):
        return False


def identity(one: Round) -> dict[str, Any]:
    """Return what tells a round from one of other commands, versions or YAML files."""
    return {
        "commands": {variant: job.run.command for variant, job in sorted(one.jobs.items())},
        "versions": versions(),
        YAML_FILES: {variant: yaml_hashes(job.run) for variant, job in sorted(one.jobs.items())},
    }


def _compared(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `identity` has given, to be compared wherever the folder of results lies."""
    given = identity.get("commands")
    commands = given.items() if isinstance(given, Mapping) else ()
    words = {variant: wherever_it_lies(str(command)) for variant, command in commands}
    return {**identity, "commands": words}


def _run(one: Round) -> dict[str, Any]:
    seed = next(iter(one.jobs.values())).seed
    order = random.Random(f"{one.model} {seed}").sample(sorted(one.jobs), len(one.jobs))
    content = {
        **identity(one),
        "order": order,
        "machine": _machine(),
        "load": os.getloadavg()[0],
        "began": time.time(),
    }
    seconds, gpu = {}, first_gpu()
    for variant in order:
        run = one.jobs[variant].run
        run_folder.start(run)
        empty_folder(run)
        run_folder.start(run)
        execute(run, lambda done, of: None, gpu)
        seconds[variant] = seconds_an_update(run.log)
    content["seconds"] = seconds
    write_json(content, one.path)
    return content


def seconds_an_update(log: Path) -> list[float]:
    """Return the seconds an update of each interval of a run's log but those of the warm-up.

    Raises:
        RunFolderError: the log holds too few of them.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    shown = [(0, 0.0), *interval_seconds(lines)]
    found = [
        seconds / (update - before)
        for (before, _), (update, seconds) in pairwise(shown)
        if update > before
    ]
    if len(found) <= WARM_UP:
        raise RunFolderError(f"{log}: shows too few times of updates: {len(found)}")
    return found[WARM_UP:]


def _machine() -> str:
    """Name the processor, how many there are, and the GPU."""
    return processor() + (f"; {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "")
