"""A run that is killed and started again by the same command ends as one that was never stopped.

The kills are real: SIGKILL to the process, or to one of its ranks.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.plugin.conftest import PROJECT, Result

UPDATES = 14
# 72 training samples in batches of 16: epochs of five updates, two of them whole.
OPTIONS = (
    f"training.max_updates={UPDATES}",
    "training.batch_size=16",
    "training.log_interval=1",
    "training.evaluation_interval=4",
    "training.checkpoint_interval=3",
    "training.num_workers=0",
    "training.seed=3",
    "scheduler.params.num_warmup_steps=2",
    "checkpoint.resume=True",
)
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


class Run:
    """A training run that can be started, killed and started again."""

    def __init__(self, data: Path, folder: Path, *options: str, ranks: int = 1) -> None:
        self.folder = folder
        self.output = ""
        self.command = [
            *[sys.executable, *(TORCHRUN if ranks > 1 else ()), "-m", "mmf_cli.run"],
            *[f"config={PROJECT}/refnetms_mini.yaml", "model=refnet_mmbt"],
            *["dataset=hateful_memes", f"env.data_dir={data}", f"env.save_dir={folder}"],
            *["env.user_dir=refnet_mmf", *OPTIONS, *options],
        ]

    def start(
        self, kill_at: int | None = None, delay: float = 0, sent: int = signal.SIGKILL
    ) -> bool:
        """Run the command, and end it ``delay`` seconds after it logs update ``kill_at``.

        Returns:
            Whether it came to its end.
        """
        process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell that runs the tests in its background has them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if kill_at is not None and f"progress: {kill_at}/" in line:
                time.sleep(delay)
                os.killpg(process.pid, sent)
                kill_at = None
        self.output = "".join(lines)
        killed = process.wait(timeout=300) != 0
        assert not killed or "Traceback" not in self.output, self.output
        return not killed

    def result(self) -> dict[str, object]:
        """What the run has come to: all weights, and what it says of the test split."""
        tested = Result(0, self.output, self.folder).progress[-1]
        return {
            "test": {k: v for k, v in tested.values.items() if k.startswith("test/")},
            **{
                name: torch.load(self.folder / name, weights_only=True).get("model")
                for name in ("best.ckpt", "current.ckpt")
            },
            "final": torch.load(self.folder / "refnet_mmbt_final.pth", weights_only=True),
            "counts": {
                key: value
                for key, value in torch.load(self.folder / "current.ckpt").items()
                if key.startswith(("num_", "best_", "current_"))
            },
        }


def assert_equal(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict):
            assert_equal(value, other[key])
        elif isinstance(value, torch.Tensor):
            assert torch.equal(value, other[key]), key
        else:
            assert value == other[key], key


@pytest.fixture(scope="module")
def uninterrupted(memes, tmp_path_factory):
    """Results of runs that are never stopped, by their options."""
    known: dict[tuple[object, ...], dict[str, object]] = {}

    def result(*options: str, ranks: int = 1) -> dict[str, object]:
        key = (*options, ranks)
        if key not in known:
            run = Run(memes, tmp_path_factory.mktemp("whole") / "run", *options, ranks=ranks)
            assert run.start(), run.output
            known[key] = run.result()
        return known[key]

    return result


LABELS = ("refnet.labels.fraction=0.5", "training.update_frequency=2")
WORKERS = ("training.num_workers=2",)


@pytest.mark.parametrize(
    ("options", "kills"),
    [
        pytest.param((), (4, 9), marks=pytest.mark.slow),
        (LABELS, (7,)),
        pytest.param(WORKERS, (6,), marks=pytest.mark.slow),
    ],
    ids=["all labels", "half the labels, accumulation", "workers"],
)
def test_a_killed_run_ends_as_one_that_was_never_stopped(
    memes, tmp_path, uninterrupted, options, kills
):
    run = Run(memes, tmp_path / "run", *options)
    for update in kills:
        assert not run.start(kill_at=update)
    assert run.start()
    assert_equal(run.result(), uninterrupted(*options))


def test_two_ranks_that_are_killed_end_as_if_never_stopped(memes, tmp_path, uninterrupted):
    run = Run(memes, tmp_path / "run", ranks=2)
    assert not run.start(kill_at=8)
    assert run.start()
    assert_equal(run.result(), uninterrupted(ranks=2))


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_twenty_equal_results(memes, tmp_path, uninterrupted):
    moments = random.Random(0)
    for number in range(20):
        run = Run(memes, tmp_path / str(number))
        run.start(kill_at=moments.randint(1, UPDATES), delay=moments.uniform(0, 0.3))
        assert run.start(), run.output
        assert_equal(run.result(), uninterrupted())


@pytest.mark.parametrize(
    "options", [(), pytest.param(WORKERS, marks=pytest.mark.slow)], ids=["no workers", "workers"]
)
def test_ctrl_c_ends_after_the_update_in_hand_and_says_where_it_goes_on(
    memes, tmp_path, uninterrupted, options
):
    run = Run(memes, tmp_path / "run", *options)
    assert not run.start(kill_at=7, sent=signal.SIGINT)
    last = run.output.splitlines()[-1]
    said = re.fullmatch(
        r"refnet: interrupted after update (\d+); "
        r"the same command with checkpoint.resume=True goes on after update (\d+)",
        last,
    )
    assert said, run.output
    if not options:
        assert said[1] == said[2]
        assert (run.folder / "models" / f"model_{said[2]}.ckpt").is_file()
    assert run.start(), run.output
    assert_equal(run.result(), uninterrupted(*options))


@pytest.mark.slow
def test_ctrl_c_at_ten_places_leaves_ten_equal_results(memes, tmp_path, uninterrupted):
    moments = random.Random(1)
    for number in range(10):
        run = Run(memes, tmp_path / str(number))
        at, delay = moments.randint(1, UPDATES), moments.uniform(0, 0.5)
        if not run.start(kill_at=at, delay=delay, sent=signal.SIGINT):
            last = run.output.splitlines()[-1]
            # A run that has ended, and not yet its process: Python's own end says nothing.
            assert last.startswith("refnet: interrupted") or "Finished run" in last, run.output
            assert not list(run.folder.rglob(".*unfinished"))
        assert run.start(), run.output
        assert_equal(run.result(), uninterrupted())


@pytest.fixture(scope="module")
def finished(memes, tmp_path_factory):
    """The folder of a run of six updates."""
    run = Run(memes, tmp_path_factory.mktemp("finished") / "run", "training.max_updates=6")
    assert run.start(), run.output
    return run.folder


def _refused(result: Result) -> str:
    """The one line in which a run has ended."""
    lines = [line for line in result.output.splitlines() if line.startswith("refnet: error: ")]
    assert result.code != 0
    assert "Traceback" not in result.output
    assert len(lines) == 1, result.output
    return lines[0]


def test_a_truncated_checkpoint_is_refused_and_left_as_it_is(mmf_run, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    current = folder / "current.ckpt"
    current.unlink()  # it has several names
    current.write_bytes((folder / "best.ckpt").read_bytes()[:10_000])
    before = {file: file.read_bytes() for file in folder.rglob("*.ckpt")}
    line = _refused(mmf_run("checkpoint.resume=True", recipe="refnetms_mini"))
    assert f"{current}: cannot be read" in line
    assert {file: file.read_bytes() for file in folder.rglob("*.ckpt")} == before


def test_a_checkpoint_of_another_model_is_refused(mmf_run, finished):
    line = _refused(mmf_run(f"checkpoint.resume_file={finished / 'best.ckpt'}", model="refnet_gmu"))
    assert "best.ckpt: is a checkpoint of refnet_mmbt, the model is refnet_gmu" in line


def test_a_run_that_began_with_other_weights_goes_on_and_does_not_begin_again(
    memes, finished, tmp_path
):
    """``checkpoint.reset`` is for the file that it began with, not for checkpoints of its own."""
    begin = (f"checkpoint.resume_file={finished / 'current.ckpt'}", "checkpoint.reset.all=True")
    whole, cut = (Run(memes, tmp_path / name, *begin) for name in ("whole", "cut"))
    assert whole.start(), whole.output
    assert not cut.start(kill_at=8)
    assert cut.start(), cut.output
    assert "checkpoint.reset: has been done" in cut.output
    assert_equal(cut.result(), whole.result())


def test_parts_of_a_checkpoint_are_weights_and_nothing_else(memes, finished, tmp_path):
    """By ``pretrained_state_mapping`` a run begins anew, wherever the weights are from."""
    bare = tmp_path / "bare.pth"
    torch.save(torch.load(finished / "current.ckpt", weights_only=True)["model"], bare)
    mapped = "checkpoint.pretrained_state_mapping={'model.bert': 'model.bert'}"
    results = []
    for file in (finished / "current.ckpt", bare):
        options = (f"checkpoint.resume_file={file}", "checkpoint.resume_pretrained=True", mapped)
        run = Run(memes, tmp_path / file.stem, *options, "training.max_updates=6")
        assert run.start(), run.output
        assert "The run goes on" not in run.output
        results.append(run.result())
    assert_equal(*results)


def test_other_labels_make_a_new_epoch_and_say_so(memes, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    options = ("refnet.labels.fraction=0.5", "training.max_updates=8")
    run = Run(memes, folder, *options)
    assert run.start()
    assert "it was in an epoch of 72 labelled samples, there are 36 now" in run.output


def test_checkpoints_are_files_with_several_names_and_no_rest_is_left(finished):
    current = finished / "current.ckpt"
    assert current.samefile(finished / "models" / "model_6.ckpt")
    assert not list(finished.rglob(".*unfinished"))


@pytest.mark.slow
def test_the_newest_checkpoints_are_kept(memes, tmp_path):
    run = Run(memes, tmp_path / "run", "training.max_updates=9", "checkpoint.max_to_keep=2")
    assert run.start(), run.output
    kept = sorted(file.name for file in (tmp_path / "run" / "models").iterdir())
    assert kept == ["model_8.ckpt", "model_9.ckpt"]


STOPS = (
    *("training.max_updates=30", "training.checkpoint_interval=4"),
    *("training.early_stop.enabled=True", "training.early_stop.patience=3"),
    "optimizer.params.lr=0.0",
)


def test_a_run_that_early_stopping_has_ended_stays_ended(memes, tmp_path):
    run = Run(memes, tmp_path / "run", *STOPS)
    assert run.start(), run.output
    assert "Early stopping activated" in run.output
    first = run.result()
    assert run.start(), run.output
    assert "Early stopping has ended this run after update" in run.output
    assert_equal(run.result(), first)


def test_a_best_value_of_another_goal_is_not_taken_over(memes, tmp_path):
    first = Run(memes, tmp_path / "run", "refnet.stage=pretrain", "training.max_updates=4")
    assert first.start(), first.output
    second = Run(memes, tmp_path / "run", "training.max_updates=8")
    assert not second.start()
    line = next(line for line in second.output.splitlines() if line.startswith("refnet: error"))
    assert "of a run towards pretraining, the lowest val/total_loss" in line
    assert "checkpoint.reset.all=True starts from its weights alone" in line


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("training.batch_size=24",), marks=pytest.mark.slow),
        ("refnet.labels.fraction=0.5", "refnet.labels.seed=1"),
    ],
    ids=["batch size", "seed of the labels"],
)
def test_other_batches_make_a_new_epoch_and_say_so(memes, tmp_path, options):
    before = [option for option in options if "fraction" in option]
    first = Run(memes, tmp_path / "run", *before, "training.max_updates=4")
    assert first.start(), first.output
    second = Run(memes, tmp_path / "run", *options, "training.max_updates=6")
    assert second.start(), second.output
    assert "it was among other samples, or with another batch size" in second.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("optimizer.type=SGD", "optimizer.params={'lr':0.1}"),
            "checkpoint: it is a training checkpoint of refnet_mmbt with adam_w, whose optimizer's "
            "state does not fit this run's refnet_mmbt with SGD",
        ),
        (("model_config.refnet_mmbt.refiner=None",), "whose optimizer's state does not fit"),
        (("model_config.refnet_mmbt.refiner.hidden_dims=[17]",), "does not fit: size mismatch"),
    ],
    ids=["optimizer", "no decoders", "other decoders"],
)
def test_a_refused_resume_leaves_the_run_as_it_was(mmf_run, finished, tmp_path, options, says):
    shutil.copytree(finished, tmp_path / "run")
    before = (tmp_path / "run/config.yaml").read_bytes()
    run = mmf_run("checkpoint.resume=True", "training.max_updates=99", *options)
    assert run.code != 0
    assert re.search(says, run.output.strip().splitlines()[-1]), run.output[-3000:]
    assert (tmp_path / "run/config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "spoil",
    [
        {"random_states": [{}]},
        {"random_states": 3},
        {"position": {}},
        {"position": 7},
    ],
    ids=str,
)
def test_a_checkpoint_with_foreign_parts_is_one_line(mmf_run, finished, tmp_path, spoil):
    shutil.copytree(finished, tmp_path / "run")
    file = tmp_path / "run/current.ckpt"
    content = torch.load(file, weights_only=True)
    content["refnet"] |= spoil
    file.unlink()
    torch.save(content, file)
    run = mmf_run("checkpoint.resume=True", "training.max_updates=99")
    last = run.output.strip().splitlines()[-1]
    assert run.code != 0 and "Traceback" not in run.output, run.output[-3000:]
    assert last.startswith("refnet: error: checkpoint: what it holds of the run is damaged"), last


def test_a_checkpoint_with_other_classes_is_refused(mmf_run, finished):
    line = _refused(
        mmf_run(
            f"checkpoint.resume_file={finished / 'best.ckpt'}",
            "model_config.mmbt.num_labels=7",
            recipe="refnetms_mini",
        )
    )
    assert "does not fit: size mismatch for model.classifier" in line


def test_a_missing_checkpoint_is_named_with_the_nearest(mmf_run, finished):
    line = _refused(mmf_run(f"checkpoint.resume_file={finished / 'bset.ckpt'}"))
    assert "bset.ckpt: no such file; did you mean" in line


def test_a_file_without_the_model_s_weights_is_refused(mmf_run, tmp_path):
    torch.save({"model": {"layer.weight": torch.ones(2)}}, tmp_path / "other.ckpt")
    line = _refused(mmf_run(f"checkpoint.resume_file={tmp_path / 'other.ckpt'}"))
    assert "holds none of the weights of refnet_mmbt" in line
