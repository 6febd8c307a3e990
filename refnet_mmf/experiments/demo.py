"""``refnet demo``: MMBT, ReFNet-MMBT and ReFNetMS-MMBT side by side on miniature memes.

Each is one stock ``mmf_run`` with a YAML of ``projects/``; the page shows the commands.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.experiment_names import MEMES, METRICS, MODALITIES, SPLITS
from refnet_mmf.experiments.grid.runner import first_gpu
from refnet_mmf.experiments.line_figure import line_figure
from refnet_mmf.experiments.mmf_log import curve, last_values
from refnet_mmf.experiments.mmf_run import (
    Run,
    execute,
    terminated_as_interrupted,
)
from refnet_mmf.experiments.page import Figure, Page, Section, render_page
from refnet_mmf.experiments.plain_table import Table, as_text
from refnet_mmf.experiments.versions import OF_A_RUN, versions_with_python
from refnet_mmf.paths import PROJECTS
from refnet_mmf.plugin.atomic_file import write_atomically
from refnet_mmf.plugin.errors import RefnetError

DATASET = MEMES
METHODS = {
    "MMBT": ("baseline_mini", "mmbt"),
    "ReFNet-MMBT": ("refnet_mini", "refnet_mmbt"),
    "ReFNetMS-MMBT": ("refnetms_mini", "refnet_mmbt"),
}
NOTICE = (
    "The data is MINIATURE: pictures and sentences drawn by a program, in the files of the Hateful "
    "Memes data set. A number on this page says nothing about the real data set."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet demo``."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder for data, runs and page (demo)"
    )
    parser.add_argument("--size", default="mini", help="of the data: tiny or mini (mini)")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and training (0)")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="further options for every mmf_run"
    )


def run(args: argparse.Namespace) -> int:
    """Make the data, train and evaluate, print the table, write the page."""
    from refnet_mmf.experiments.miniature.command import make_data

    out: Path = args.out.resolve()
    start = time.monotonic()
    _check(out, args.size, args.overrides)
    make_data(DATASET, args.size, out / "data", args.seed)
    runs = [
        Run(
            name,
            _options(recipe, model, out / "data", args.seed, args.overrides),
            out / "runs" / recipe,
        )
        for name, (recipe, model) in METHODS.items()
    ]
    page = out / "report.html"
    seconds = train(runs)
    table = result_table(runs, args.seed)
    write_atomically(render_page(build_page(runs, table, seconds, args.seed)), page)
    print(f"\n{as_text(table)}\n\n{NOTICE}")
    print(f"Took {(time.monotonic() - start) / 60:.1f} minutes. The page: {page}")
    return 0


def _check(out: Path, size: str, overrides: Sequence[str]) -> None:
    """Check the command before anything is made.

    Raises:
        RefnetError: one line.
    """
    from refnet_mmf import register
    from refnet_mmf.experiments.miniature.make import SIZES

    if size not in SIZES:
        raise RefnetError(unknown("--size", "size", size, SIZES))
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "data").is_dir())):
        raise RefnetError(f"--out: {out} holds other files; name a new or an empty folder")

    register()
    from refnet_mmf.plugin.command_check import check_command

    for recipe, model in METHODS.values():
        check_command(_options(recipe, model, out / "data", 0, overrides), with_data=False)


def train(runs: Sequence[Run]) -> dict[str, float]:
    """Run all, as many at once as there are processors; return the seconds that each took."""
    workers = min(len(runs), os.cpu_count() or 1)
    there = any(run.log.exists() for run in runs)
    print(
        f"Training {', '.join(run.name for run in runs)}: {workers} at a time"
        + (" (anew: the runs that are there are replaced)" if there else ""),
        flush=True,
    )
    stop = threading.Event()
    with terminated_as_interrupted(), ThreadPoolExecutor(workers) as pool:
        bars = [
            tqdm(desc=run.name.ljust(14), position=position, total=None, unit="update", leave=True)
            for position, run in enumerate(runs)
        ]

        def follow(bar: Any, run: Run) -> float:
            run.log.unlink(missing_ok=True)
            bar.reset()  # its clock begins now

            def show(update: int, updates: int) -> None:
                bar.total = updates
                bar.update(update - bar.n)

            try:
                return execute(run, show, first_gpu(), stop=stop)
            finally:
                bar.close()

        futures = [pool.submit(follow, bar, run) for bar, run in zip(bars, runs, strict=True)]
        try:
            return {run.name: future.result() for run, future in zip(runs, futures, strict=True)}
        finally:
            stop.set()
            for future in futures:
                future.cancel()
            for bar in bars:
                bar.close()


def result_table(runs: Sequence[Run], seed: int) -> Table:
    """Return the table of the best checkpoints' scores."""
    metrics = METRICS[DATASET]
    rows = []
    for run_ in runs:
        row = [run_.name]
        for split in SPLITS:
            values = last_values(run_.progress(), split)
            row += [_percent(values, f"{split}/{DATASET}/{metric}") for metric in metrics.values()]
        rows.append(row)
    header = ["model", *(f"{name} {split}" for split in SPLITS.values() for name in metrics)]
    return Table(f"MINIATURE memes, one seed ({seed}), per cent", header, rows)


def build_page(runs: Sequence[Run], table: Table, seconds: Mapping[str, float], seed: int) -> Page:
    """Put table, curves and commands on a page."""
    shown = {
        "Cross-entropy, training": f"train/{DATASET}/cross_entropy",
        "AUROC, validation": f"val/{DATASET}/refnet_roc_auc",
    }
    panels = {
        title: {run_.name: curve(run_.progress(), key) for run_ in runs}
        for title, key in shown.items()
    }
    of_the_refiner = [
        {
            f"{title}, {modality}": {
                run_.name: curve(run_.progress(), f"train/{DATASET}/refiner_{modality}_{key}")
                for run_ in runs[1:]
            }
            for modality in MODALITIES
        }
        for title, key in (("Refiner loss", "unweighted"), ("Variance given back", "r2"))
    ]
    floors = (None, -1.0)
    where = f"miniature memes, seed {seed}"
    return Page(
        title="REFINER on MMBT: a demonstration on miniature data",
        notice=NOTICE,
        sections=[
            Section(
                "Scores of the best checkpoints",
                [
                    "Each model starts from the same unimodally pretrained encoders and sees the "
                    "same batches. The checkpoint with the best validation AUROC is evaluated. One "
                    "seed on one generated set decides nothing: two or three points are noise at "
                    "this scale, in either direction. What is to be seen here is that REFINER runs "
                    "within stock MMF, what its decoders learn, and what it costs; whether it "
                    "helps is asked over seeds (refnet table 3, refnet report).",
                ],
                [table],
            ),
            Section(
                "Training",
                [
                    "Losses as MMF logs them: the median of the last 20 values that it has logged, "
                    "so that a curve lags behind."
                ],
                figures=[
                    Figure(f"By update; {where}", line_figure(panels, "update", list(METHODS)))
                ],
            ),
            Section(
                "What the decoders give back",
                [
                    "Above: 1 - cosine similarity of each decoded signal with its target, before "
                    "weighting. Below: the share of the target's variance that it gives back; 1 is "
                    "all, below 0 is worse than the targets' mean, what is below -1 is cut off. "
                    "Logged in the same way. REFINER acts in training only: at inference the "
                    "network is stock MMBT."
                ],
                figures=[
                    Figure(
                        f"By update; {where}",
                        line_figure(curves, "update", list(METHODS), floor=floor),
                    )
                    for curves, floor in zip(of_the_refiner, floors, strict=True)
                ],
            ),
            Section("Commands", commands=[run_.command for run_ in runs]),
        ],
        facts={
            **versions_with_python((*OF_A_RUN, "omegaconf")),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "seed": str(seed),
            **{f"settings, {run_.name}": _settings(run_) for run_ in runs},
            **{f"seconds, {name}": f"{value:.0f}" for name, value in seconds.items()},
        },
    )


def _options(recipe: str, model: str, data: Path, seed: int, overrides: Sequence[str]) -> list[str]:
    config = PROJECTS / DATASET / "configs" / "mmbt"
    return [
        f"config={config / recipe}.yaml",
        f"model={model}",
        f"dataset={DATASET}",
        "run_type=train_val_test",
        f"env.data_dir={data}",
        f"training.seed={seed}",
        *overrides,
    ]


def _settings(run_: Run) -> str:
    """Return the blocks of ours that a run was made with."""
    config = yaml.safe_load((run_.folder / "config.yaml").read_text(encoding="utf-8"))
    section = config["model_config"][config["model"]]
    blocks = {key: section.get(key) for key in ("refiner", "metric_loss")}
    return ", ".join(f"{key}: {json.dumps(value)}" for key, value in blocks.items())


def _percent(values: Mapping[str, float], key: str) -> str:
    return f"{100 * values[key]:.2f}" if key in values else "-"
