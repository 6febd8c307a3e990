"""Several ranks, which talk by gloo on the CPU, give the result of one process."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score
from torch import distributed as dist

from tests.plugin.conftest import PROJECTS, Result, run_process

# The whole training split is one batch: in which order its samples come makes no difference.
COMMON = (
    "training.max_updates=10",
    "training.batch_size=72",
    "training.log_interval=1",
    "training.evaluation_interval=10",
    "training.checkpoint_interval=10",
    "training.num_workers=0",
    "training.seed=3",
    # Adam's default eps would make a step of 1e-3 of a gradient that is rounding error alone.
    "optimizer.params.lr=0.001",
    "optimizer.params.eps=0.001",
    "scheduler.params.num_warmup_steps=2",
)
WITHOUT_CHANCE = {
    "refnet_mmbt": (
        "model_config.mmbt.text_encoder.params.hidden_dropout_prob=0.0",
        "model_config.mmbt.text_encoder.params.attention_probs_dropout_prob=0.0",
    ),
    "refnet_gmu": (
        "model_config.refnet_gmu.normalization=layer",
        "model_config.gmu.classifier.dropout=0.0",
        "model_config.gmu.text_encoder.params.hidden_dropout_prob=0.0",
        "model_config.gmu.text_encoder.params.attention_probs_dropout_prob=0.0",
    ),
}


def run_ranks(
    ranks: int, data: Path, folder: Path, model: str, data_set: str, *options: str
) -> Result:
    """Run the stock mmf_run on this many ranks; one is an ordinary run."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"]
    project = PROJECTS / data_set / "configs" / model.removeprefix("refnet_")
    command = [
        *[sys.executable, *(launcher if ranks > 1 else []), "-m", "mmf_cli.run"],
        *[f"config={project}/refnetms_mini.yaml", f"model={model}", f"dataset={data_set}"],
        *[f"env.data_dir={data}", f"env.save_dir={folder}", "env.user_dir=refnet_mmf"],
        *options,
    ]
    return run_process(command, folder)


@pytest.mark.parametrize(
    ("model", "data_set", "ranks", "options"),
    [
        ("refnet_mmbt", "hateful_memes", (2,), ()),
        pytest.param(
            *("refnet_mmbt", "hateful_memes", (2, 3)),
            ("model_config.refnet_mmbt.refiner.loss=contrastive", "refnet.labels.fraction=0.5"),
            marks=pytest.mark.slow,
        ),
        pytest.param("refnet_gmu", "mmimdb", (2, 3), (), marks=pytest.mark.slow),
    ],
    ids=["MMBT", "MMBT, contrastive, half the labels", "GMU, label sets"],
)
def test_ten_updates_of_several_ranks_are_those_of_one_process(
    request, memes, movies, tmp_path, model, data_set, ranks, options
):
    data = memes if data_set == "hateful_memes" else movies
    size = len(
        (data / f"datasets/{data_set}/defaults/annotations/train.jsonl").read_text().splitlines()
    )
    labelled = size // 2 if "refnet.labels.fraction=0.5" in options else size
    options = (*COMMON, f"training.batch_size={labelled}", *WITHOUT_CHANCE[model], *options)
    one = run_ranks(1, data, tmp_path / "1", model, data_set, *options)
    assert one.code == 0, one.output
    for count in ranks:
        several = run_ranks(count, data, tmp_path / str(count), model, data_set, *options)
        assert several.code == 0, several.output
        for name, weights in one.model().items():
            torch.testing.assert_close(
                several.model()[name], weights, rtol=0, atol=1e-5, msg=f"{count} ranks: {name}"
            )
        for key in ("train/total_loss", f"train/{data_set}/metric_loss"):
            assert several.series(key) == pytest.approx(one.series(key), abs=2e-4)


@pytest.fixture(scope="module")
def odd_memes(memes, tmp_path_factory):
    """Memes whose validation and test splits of 35 samples no number of ranks divides."""
    data = tmp_path_factory.mktemp("odd") / "memes"
    shutil.copytree(memes, data)
    for file in (data / "datasets/hateful_memes/defaults/annotations").glob("*e[vs]*.jsonl"):
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:35]))
    return data


def test_the_metrics_of_two_ranks_are_those_of_one_process(odd_memes, tmp_path):
    trained = run_ranks(
        *(1, odd_memes, tmp_path / "train", "refnet_mmbt", "hateful_memes"),
        *(*COMMON, "training.max_updates=2", "training.evaluation_interval=2"),
        "training.batch_size=12",
    )
    values = []
    for ranks in (1, 2):
        tested = run_ranks(
            *(ranks, odd_memes, tmp_path / f"test{ranks}", "refnet_mmbt", "hateful_memes"),
            *(*COMMON, "training.batch_size=12", "run_type=test"),
            "evaluation.metrics=['refnet_roc_auc','refnet_accuracy','roc_auc']",
            f"checkpoint.resume_file={trained.folder / 'best.ckpt'}",
            "checkpoint.reset.all=True",
        )
        assert tested.code == 0, tested.output
        evaluated = json.loads((tested.folder / "evaluations.json").read_text())["test"]
        values.append({key: value for key, value in evaluated.items() if "/refnet" in key})
        said = re.findall("a stock metric is the mean of the ranks' own values", tested.output)
        assert len(said) == (ranks > 1), tested.output
    assert len(values[0]) == 2
    assert values[0] == pytest.approx(values[1], abs=1e-6)


SIZES = {"dev": 35, "test": 8}


def _measure(rank: int, ranks: int, folder: str) -> None:
    """Compute a rank's metrics of splits that the samplers have dealt out to the ranks."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks
    )
    from mmf.common.registry import registry
    from mmf.common.sample import SampleList
    from torch.utils.data import DistributedSampler

    import refnet_mmf
    from refnet_mmf.plugin.metrics import know_split_sizes

    refnet_mmf.register()
    know_split_sizes({(split, "plain"): size for split, size in SIZES.items()})
    results = {}
    for split, size in SIZES.items():
        for kind, (scores, targets) in _splits(size).items():
            own = list(DistributedSampler(range(size), shuffle=True, seed=5))
            batch = SampleList()
            batch.dataset_name, batch.dataset_type = "plain", split
            batch.add_field("targets", targets[own])
            for name in _METRICS[kind]:
                metric = registry.get_metric_class(name)()
                value = metric.calculate(batch, {"scores": scores[own]})
                results[f"{split}, {kind}, {name}"] = value.item()
    Path(folder, f"{rank}.json").write_text(json.dumps(results))
    dist.barrier()
    dist.destroy_process_group()


_METRICS = {
    "classes": ("refnet_roc_auc", "refnet_accuracy"),
    "label sets": ("refnet_micro_f1", "refnet_macro_f1"),
}


def _splits(size: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    random = torch.Generator().manual_seed(size)
    return {
        "classes": (
            torch.randn(size, 2, generator=random),
            torch.randint(2, (size,), generator=random),
        ),
        "label sets": (
            torch.randn(size, 4, generator=random),
            (torch.rand(size, 4, generator=random) < 0.4).float(),
        ),
    }


@pytest.mark.parametrize("ranks", [2, 3])
def test_metrics_of_a_split_that_the_ranks_share_are_those_of_scikit_learn(ranks, tmp_path):
    torch.multiprocessing.spawn(_measure, (ranks, str(tmp_path)), nprocs=ranks)
    by_rank = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(ranks)]
    expected = {}
    for split, size in SIZES.items():
        scores, targets = _splits(size)["classes"]
        probability = scores.softmax(dim=1)[:, 1]
        expected[f"{split}, classes, refnet_roc_auc"] = roc_auc_score(targets, probability)
        right = scores.argmax(dim=1) == targets
        expected[f"{split}, classes, refnet_accuracy"] = right.float().mean().item()
        scores, targets = _splits(size)["label sets"]
        for average in ("micro", "macro"):
            value = f1_score(targets, scores.sigmoid() > 0.5, average=average, zero_division=0)
            expected[f"{split}, label sets, refnet_{average}_f1"] = value
    for values in by_rank:
        assert values == pytest.approx(expected, abs=1e-6)


def test_a_batch_that_the_ranks_cannot_share_is_refused_in_one_line(memes, tmp_path):
    result = run_ranks(
        *(2, memes, tmp_path / "run", "refnet_mmbt", "hateful_memes", *COMMON),
        "training.batch_size=15",
    )
    assert result.code != 0
    assert "training.batch_size: 15 samples can't be shared by 2 ranks; e.g. 14" in result.output
    assert not list((tmp_path / "run").rglob("*.ckpt"))


SHORT_RUN = (
    *("training.max_updates=3", "training.batch_size=12", "training.log_interval=1"),
    *("training.evaluation_interval=2", "training.checkpoint_interval=2"),
    *("training.num_workers=0", "training.seed=3", "scheduler.params.num_warmup_steps=1"),
)
MODELS = ("refnet_mmbt", "refnet_vilbert", "refnet_concat", "refnet_linear_sum", "refnet_gmu")


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "options",
    [("refnet.labels.fraction=0.5",), ("refnet.stage=pretrain",), ("NAME.refiner=null",)],
    ids=["half the labels", "pretraining", "baseline"],
)
def test_no_model_has_parameters_that_a_rank_waits_for(memes, tmp_path, model, options):
    options = [option.replace("NAME", f"model_config.{model}") for option in options]
    result = run_ranks(2, memes, tmp_path / "run", model, "hateful_memes", *SHORT_RUN, *options)
    assert result.code == 0, result.output
    assert result.checkpoint("current.ckpt")["num_updates"] == 3


@pytest.mark.slow
def test_early_stopping_ends_all_ranks(memes, tmp_path):
    """The stock one loads the best checkpoint on the first rank, which waits there for ever."""
    result = run_ranks(
        *(2, memes, tmp_path / "run", "refnet_mmbt", "hateful_memes", *SHORT_RUN),
        *("training.max_updates=50", "training.early_stop.enabled=True"),
        *("training.early_stop.patience=2", "optimizer.params.lr=0.0"),
    )
    assert result.code == 0, result.output
    assert "Early stopping activated" in result.output
    assert result.checkpoint("current.ckpt")["num_updates"] < 50
