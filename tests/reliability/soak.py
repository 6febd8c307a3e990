"""A thousand updates, and a hundred runs in one process, with the memory recorded.

``python -m tests.reliability.soak updates|runs --model refnet_mmbt`` prints a row of Markdown.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parents[2] / "projects/hateful_memes/configs/mmbt"
RECIPES = {"mmbt": "stock_mini", "refnet_mmbt": "refnetms_mini"}
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mib() -> float:
    """The memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def options(model: str, data: Path, save: Path, *more: str) -> list[str]:
    """The options of a run on tiny memes, TensorBoard on."""
    return [
        f"config={PROJECT / RECIPES[model]}.yaml",
        *(f"model={model}", "dataset=hateful_memes", f"env.data_dir={data}"),
        *(f"env.save_dir={save}", "env.user_dir=refnet_mmf"),
        *("training.tensorboard=True", "training.num_workers=0", "training.batch_size=8"),
        *more,
    ]


def thousand_updates(model: str, data: Path, save: Path, updates: int = 1000) -> list[float]:
    """Memory at each tenth of a run of so many updates."""
    from mmf_cli.run import run

    from refnet_mmf import register
    from refnet_mmf.plugin.trainer import RefnetTrainer

    register()
    seen: list[float] = []
    forward = RefnetTrainer.after_forward

    def look(trainer, report):
        forward(trainer, report)
        if (trainer.num_updates + 1) % (updates // 10) == 0:
            seen.append(resident_mib())

    RefnetTrainer.after_forward = look
    often = ("training.evaluation_interval=250", "training.checkpoint_interval=250")
    more = (f"training.max_updates={updates}", "training.log_interval=10", *often)
    run(options(model, data, save, *more, "training.trainer=refnet"))
    return seen


def many_runs(model: str, data: Path, save: Path, runs: int = 100) -> list[float]:
    """Memory after each of many short runs, one after another in this process."""
    from mmf.common.registry import registry
    from mmf_cli.run import run

    seen: list[float] = []
    registered: dict[str, int] = {}
    for number in range(runs):
        folder = save / str(number)
        run(options(model, data, folder, "training.max_updates=2", "training.log_interval=1"))
        shutil.rmtree(folder)
        gc.collect()
        seen.append(resident_mib())
        kinds = {k: len(v) for k, v in registry.mapping.items() if k.endswith("_mapping")}
        assert not registered or kinds == registered, "something is registered twice"
        registered = kinds
    return seen


def growth(seen: list[float]) -> float:
    """How much more the last fifth of the readings holds than the second one, in MiB."""
    fifth = len(seen) // 5
    return median(seen[-fifth:]) - median(seen[fifth : 2 * fifth])


def main() -> None:
    """Measure, and print a row of Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["updates", "runs"])
    parser.add_argument("--model", default="refnet_mmbt", choices=RECIPES)
    parser.add_argument("--count", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        make = [sys.executable, "-m", "refnet_mmf.cli", "data", "make", "hateful_memes"]
        subprocess.run([*make, "--size", "tiny", "--out", str(data)], check=True)
        measure = {"updates": thousand_updates, "runs": many_runs}[args.what]
        count = args.count or {"updates": 1000, "runs": 100}[args.what]
        os.environ["OMP_NUM_THREADS"] = "1"
        seen = measure(args.model, data, Path(folder, "save"), count)
    first, last = seen[len(seen) // 5], seen[-1]
    print(
        f"| {count} {args.what}, {args.model} | {first:.0f} | {last:.0f} | {growth(seen):+.1f} |",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
