"""The training regimes of the block ``refnet:``, in trainers that MMF builds and in its runs."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from itertools import islice

import pytest
import torch
from omegaconf import open_dict

from refnet_mmf.plugin.train_loader import UNLABELLED
from tests.plugin.conftest import PROJECTS, SHORT, run_process

BATCH = ("training.batch_size=8", "training.num_workers=0", "training.seed=3")


@pytest.fixture
def trainer(configure):
    """Build a run's trainer, with data and model, as mmf_run does."""
    from mmf.common.registry import registry
    from mmf.utils.build import build_trainer
    from mmf.utils.env import set_seed

    def build(*options, **keywords):
        config = configure(*BATCH, *options, **keywords)
        with open_dict(config):
            config.device_id = 0
        registry.register("seed", set_seed(config.training.seed))
        trainer = build_trainer(config)
        trainer.load()
        return trainer

    return build


def batches(trainer, count):
    """The first batches of a run."""
    return list(islice(trainer.train_loader_of_ours, count))


def annotations(data, split="train"):
    file = data / "datasets" / "hateful_memes" / "defaults" / "annotations" / f"{split}.jsonl"
    return file, [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def changed_memes(memes, tmp_path_factory):
    """Copy the tiny memes, with the rows of some splits changed."""

    def change(row_change, splits=("train",)):
        data = tmp_path_factory.mktemp("changed") / "memes"
        shutil.copytree(memes, data)
        for split in splits:
            file, rows = annotations(data, split)
            file.write_text("".join(json.dumps(row_change(row)) + "\n" for row in rows))
        return data

    return change


class TestLabelledFraction:
    """``refnet.labels``."""

    def test_a_batch_holds_labelled_samples_and_apart_from_them_unlabelled_ones(self, trainer):
        run = trainer("refnet.labels.fraction=0.25", "refnet.labels.unlabeled_per_labeled=2")
        seen, unlabelled_seen = [], []
        for batch in batches(run, 3):
            unlabelled = batch[UNLABELLED]
            size = len(batch["targets"])
            assert len(batch["input_ids"]) == size
            assert len(unlabelled["input_ids"]) == 2 * size
            assert "targets" not in unlabelled
            seen += batch["id"].tolist()
            unlabelled_seen += unlabelled["id"].tolist()
        assert len(seen) == len(set(seen)) == len(run.train_loader_of_ours.dataset.labelled) == 18
        assert set(seen).isdisjoint(unlabelled_seen)
        # 54 unlabelled samples: each of them before any a second time.
        assert len(set(unlabelled_seen[:36])) == 36

    def test_the_chosen_ids_are_written_and_read_back(self, trainer, tmp_path):
        run = trainer("refnet.labels.fraction=0.25")
        file = tmp_path / "labelled_ids.txt"
        ids = file.read_text().split()
        assert len(ids) == 18
        kept = tmp_path / "kept.txt"
        shutil.copy(file, kept)
        again = trainer(f"refnet.labels.ids_file={kept}", "refnet.labels.seed=5")
        assert again.train_loader_of_ours.dataset.labelled == (
            run.train_loader_of_ours.dataset.labelled
        )
        smaller = trainer("refnet.labels.fraction=0.125")
        assert set(smaller.train_loader_of_ours.dataset.labelled) < set(
            run.train_loader_of_ours.dataset.labelled
        )

    def test_the_baseline_sees_the_same_labelled_samples_and_no_others(self, trainer):
        options = ("refnet.labels.fraction=0.25",)
        ours = batches(trainer(*options), 3)
        baseline = batches(trainer(*options, "model_config.refnet_mmbt.refiner=null"), 3)
        for one, other in zip(ours, baseline, strict=True):
            assert torch.equal(one["id"], other["id"])
            assert UNLABELLED in one
            assert UNLABELLED not in other

    def test_while_both_train_the_baseline_draws_the_same_batches_and_dropout(self, trainer):
        """The unlabelled samples' pass, and dropout in the decoders, draw aside."""

        def trained(*options):
            run = trainer("refnet.labels.fraction=0.25", *options)
            run.model.train()
            torch.manual_seed(3)
            seen = []
            for _ in range(2):
                for batch in run.train_loader_of_ours:
                    seen += batch["id"].tolist()
                    run.model(batch)
            return seen, torch.get_rng_state()

        ours, state = trained("model_config.refnet_mmbt.refiner.dropout=0.2")
        baseline, state_of_baseline = trained("model_config.refnet_mmbt.refiner=null")
        assert ours == baseline and len(ours) == 36
        assert torch.equal(state, state_of_baseline)

    def test_strata_keep_their_share(self, trainer, memes):
        run = trainer("refnet.labels.fraction=0.25", "refnet.labels.stratified=True")
        _, rows = annotations(memes)
        labels = [row["label"] for row in rows]
        chosen = [labels[position] for position in run.train_loader_of_ours.dataset.labelled]
        assert abs(sum(chosen) - 0.25 * sum(labels)) <= 1

    def test_labels_of_the_rest_change_nothing(self, mmf_run, changed_memes, tmp_path):
        """Shuffled, they leave the run bit for bit the same; those of the chosen ones do not."""
        options = ("refnet.labels.fraction=0.25", "training.seed=3")
        plain = mmf_run(*options, name="plain", recipe="refnetms_mini")
        assert plain.code == 0, plain.output
        chosen = set((plain.folder / "labelled_ids.txt").read_text().split())
        assert len(chosen) == 18
        random.seed(0)

        def change(of_chosen):
            def row_change(row):
                if (str(row["id"]) in chosen) is of_chosen:
                    return {**row, "label": random.randint(0, 1)}
                return row

            return f"env.data_dir={changed_memes(row_change)}"

        rest = mmf_run(*options, change(of_chosen=False), name="rest", recipe="refnetms_mini")
        own = mmf_run(*options, change(of_chosen=True), name="own", recipe="refnetms_mini")
        for name, weights in plain.model().items():
            assert torch.equal(weights, rest.model()[name]), name
        assert any(not torch.equal(w, own.model()[name]) for name, w in plain.model().items())

    @pytest.mark.parametrize(
        ("fixture", "data_set", "model", "label"),
        [("movies", "mmimdb", "refnet_gmu", "genres")],
    )
    def test_the_rest_may_really_have_no_labels(
        self, request, tmp_path, fixture, data_set, model, label
    ):
        data = tmp_path / "data"
        shutil.copytree(request.getfixturevalue(fixture), data)
        file = data / f"datasets/{data_set}/defaults/annotations/train.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows[20:]:
            del row[label]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        ids = tmp_path / "ids.txt"
        # With the byte order mark that some editors write.
        ids.write_text("\n".join(f"train.jsonl:{n}" for n in range(1, 21)), encoding="utf-8-sig")
        project = PROJECTS / data_set / "configs" / model.removeprefix("refnet_")
        command = [sys.executable, "-m", "mmf_cli.run", f"config={project}/refnetms_mini.yaml"]
        options = [
            *(f"model={model}", f"dataset={data_set}", "env.user_dir=refnet_mmf"),
            *(f"env.data_dir={data}", f"env.save_dir={tmp_path / 'run'}", *SHORT),
        ]
        result = run_process(
            [*command, *options, f"refnet.labels.ids_file={ids}"], tmp_path / "run"
        )
        assert result.code == 0, result.output
        chosen = run_process([*command, *options, "refnet.labels.fraction=0.9"], tmp_path / "run")
        assert chosen.code != 0
        assert "is among the labelled samples, and has no field 'genres'" in chosen.output


class TestUnlabelledBatch:
    """What the batch of unlabelled samples does to a model."""

    @pytest.mark.parametrize("model", ["refnet_mmbt", "refnet_gmu"])
    def test_it_changes_the_refiner_loss_and_nothing_else(self, build, samples, model):
        def losses(with_others):
            network = build(recipe="refnetms_mini", model=model).train()
            batch, others = samples(seed=0), samples(size=6, seed=1, labels=False)
            if with_others:
                batch[UNLABELLED] = others
            torch.manual_seed(0)
            output = network(batch)
            buffers = {name: value.clone() for name, value in network.named_buffers()}
            return output["losses"], buffers

        alone, buffers_alone = losses(False)
        together, buffers_together = losses(True)
        assert alone.keys() == together.keys()
        for key, value in alone.items():
            assert torch.equal(value, together[key]) is ("refiner" not in key), key
        for name, value in buffers_alone.items():
            assert torch.equal(value, buffers_together[name]), name

    def test_the_refiner_takes_all_samples_alike(self, build, samples):
        """Split in any way into labelled and unlabelled ones, the same samples: the same loss."""
        values = []
        for size in (2, 5):
            network = build(
                "model_config.mmbt.text_encoder.params.hidden_dropout_prob=0.0",
                "model_config.mmbt.text_encoder.params.attention_probs_dropout_prob=0.0",
            ).train()
            everything = samples(size=8, seed=0)
            batch = _rows(everything, slice(0, size))
            batch[UNLABELLED] = _rows(everything, slice(size, 8))
            values.append(network(batch)["losses"])
        for name in ("refiner_text", "refiner_image"):
            key = f"train/hateful_memes/{name}"
            torch.testing.assert_close(values[0][key], values[1][key])


def _rows(batch, rows):
    """Some samples of a batch."""
    from mmf.common.sample import SampleList

    part = SampleList()
    for key, value in batch.items():
        if isinstance(value, dict):
            part[key] = _rows(value, rows)
        else:
            part[key] = value[rows] if isinstance(value, torch.Tensor) else value
    part._set_tensor_field("input_ids" if "input_ids" in part else "max_features")
    return part


class TestPretraining:
    """``refnet.stage: pretrain``."""

    def test_it_needs_no_labels_and_starts_the_second_stage(self, mmf_run, changed_memes, memes):
        unlabelled = changed_memes(
            lambda row: {k: v for k, v in row.items() if k != "label"},
            ("train", "dev", "dev_unseen", "test", "test_unseen"),
        )
        first = mmf_run(
            *("refnet.stage=pretrain", f"env.data_dir={unlabelled}"),
            *("training.seed=3", "training.max_updates=4"),
            name="first",
            recipe="refnetms_mini",
        )
        assert first.code == 0, first.output
        values = first.progress[-1].values
        assert values["test/total_loss"] > 0
        assert not any("cross_entropy" in key or "metric_loss" in key for key in values)
        assert first.checkpoint("best.ckpt")["best_metric_value"] > 0
        second = mmf_run(
            *(f"checkpoint.resume_file={first.folder / 'best.ckpt'}", "checkpoint.reset.all=True"),
            *("training.seed=3", "optimizer.params.lr=0.0"),
            name="second",
            recipe="refnetms_mini",
        )
        assert second.code == 0, second.output
        assert "start fresh" not in second.output
        for name, weights in first.model("best.ckpt").items():
            if not name.endswith("running_mean"):
                torch.testing.assert_close(second.model()[name], weights, msg=name)

    @pytest.mark.parametrize(
        ("fixture", "data_set", "model", "label"),
        [
            pytest.param("movies", "mmimdb", "refnet_gmu", "genres", marks=pytest.mark.slow),
            ("entailment", "visual_entailment", "refnet_concat", "gold_label"),
        ],
    )
    def test_data_sets_that_die_without_labels_do_not(
        self, request, tmp_path, fixture, data_set, model, label
    ):
        data = tmp_path / "data"
        shutil.copytree(request.getfixturevalue(fixture), data)
        for file in (data / f"datasets/{data_set}/defaults/annotations").glob("*.jsonl"):
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            assert all(row.pop(label) for row in rows)
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        project = PROJECTS / data_set / "configs" / model.removeprefix("refnet_")
        command = [sys.executable, "-m", "refnet_mmf.cli", "run"]
        options = [
            *(f"config={project}/refnet_mini.yaml", f"model={model}", f"dataset={data_set}"),
            *(f"env.data_dir={data}", f"env.save_dir={tmp_path / 'run'}", "refnet.stage=pretrain"),
            *SHORT,
        ]
        result = run_process([*command, *options], tmp_path / "run")
        assert result.code == 0, result.output
        assert result.progress[-1].values["test/total_loss"] > 0

    def test_labels_are_not_read(self, trainer, changed_memes):
        data = changed_memes(lambda row: {**row, "label": "not a label"}, ("train", "dev"))
        run = trainer("refnet.stage=pretrain", f"env.data_dir={data}")
        assert all("targets" not in batch for batch in batches(run, 3))

    @pytest.mark.parametrize(
        "options",
        [
            ["model_config.refnet_mmbt.refiner=null"],
            [f"model_config.refnet_mmbt.refiner.weights.{m}=0.0" for m in ("text", "image")],
        ],
        ids=["no refiner", "no weight"],
    )
    def test_it_goes_without_a_refiner_nowhere(self, mmf_run, options):
        result = mmf_run("refnet.stage=pretrain", *options)
        assert result.code != 0
        line = "refnet.stage: pretrain trains the refiner, and model_config.refnet_mmbt.refiner"
        assert line in result.output
        assert "Traceback" not in result.output


class TestPairing:
    """``refnet.pairing``."""

    @pytest.mark.parametrize(
        ("pairing", "moved"),
        [("shuffled_text", "input_ids"), ("shuffled_image", "image_feature_0")],
    )
    def test_one_modality_comes_from_another_sample(self, trainer, pairing, moved):
        matched = trainer().dataset_loader
        shuffled = trainer(f"refnet.pairing={pairing}").dataset_loader
        from refnet_mmf.plugin import mmf_lines

        splits = [
            mmf_lines.split_datasets(type("Trainer", (), {"dataset_loader": loader}))
            for loader in (matched, shuffled)
        ]
        fields = ("input_ids", "image_feature_0", "targets", "id")
        for place, plain in splits[0].items():
            changed = splits[1][place]
            originals = [plain[position] for position in range(len(plain))]
            by_value = {original[moved].numpy().tobytes(): original for original in originals}
            origins = []
            for position, original in enumerate(originals):
                sample = changed[position]
                for field in fields:
                    if field != moved:
                        assert torch.equal(sample[field], original[field]), (place, field)
                origins.append(int(by_value[sample[moved].numpy().tobytes()]["id"]))
            own = [int(original["id"]) for original in originals]
            if len(by_value) == len(originals):
                assert sorted(origins) == sorted(own)
                assert all(origin != mine for origin, mine in zip(origins, own, strict=True))


class TestPrecisionAndAccumulation:
    """``training.bf16`` and ``training.update_frequency``, on both lines."""

    EXACT = (
        "model_config.mmbt.text_encoder.params.hidden_dropout_prob=0.0",
        "model_config.mmbt.text_encoder.params.attention_probs_dropout_prob=0.0",
        "optimizer.params.lr=0.001",
        "optimizer.params.eps=0.001",
        "training.seed=3",
    )

    def test_bfloat16_gives_the_losses_of_full_precision(self, mmf_run):
        options = (*self.EXACT, "training.max_updates=3")
        full = mmf_run(*options, name="full", recipe="refnetms_mini")
        half = mmf_run(*options, "training.bf16=True", name="half", recipe="refnetms_mini")
        assert half.code == full.code == 0, half.output
        for term in ("cross_entropy", "metric_loss", "refiner_text", "refiner_image"):
            key = f"train/hateful_memes/{term}"
            assert half.series(key) == pytest.approx(full.series(key), abs=1e-2)
        weights = [run.model()["model.classifier.1.weight"] for run in (full, half)]
        assert not torch.equal(*weights)

    def test_accumulated_gradients_are_those_of_one_batch(self, mmf_run):
        """The cross entropy and the cosine loss are means: two halves make the whole."""
        options = (*self.EXACT, "training.max_updates=3", "training.evaluation_interval=3")
        whole = mmf_run(*options, "training.batch_size=72", name="whole")
        halves = mmf_run(
            *(*options, "training.batch_size=36", "training.update_frequency=2"), name="halves"
        )
        assert halves.code == whole.code == 0, halves.output
        for name, weights in whole.model().items():
            torch.testing.assert_close(halves.model()[name], weights, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["refnet.labels.fraction=0"],
            "refnet.labels.fraction: expected number above 0, at most 1, got 0",
        ),
        (
            ["refnet.labels.fraction=1.5"],
            "refnet.labels.fraction: expected number above 0, at most 1, got 1.5",
        ),
        (["refnet.labels.ids_file=none.txt"], "ids_file: no such file: none.txt"),
        (["refnet.stage=pretraining"], "unknown stage 'pretraining'; did you mean 'pretrain'"),
        (["refnet.pairing=shuffled"], "unknown pairing 'shuffled'; did you mean 'shuffled_"),
        (["training.fp16=True"], "training.fp16: needs a GPU, .*training.bf16=True"),
        (["training.checkpoint_interval=0"], "training.checkpoint_interval: expected a whole num"),
        (
            ["training.batch_size=-4"],
            "training.batch_size: expected a whole number above 0, got -4",
        ),
        (["training.clip_gradients=True"], "training.max_grad_l2_norm: is missing"),
        (["training.update_frequency=0"], "training.update_frequency: expected a number above 0"),
        (
            ["refnet.labels.fraction=0.5", "training.trainer=STOCK"],
            "refnet.labels: needs training.trainer: refnet",
        ),
    ],
)
def test_what_is_wrong_ends_in_one_line_before_training(mmf_run, options, message):
    from mmf.common.registry import registry

    stock = "mmf" if "mmf" in registry.mapping["trainer_name_mapping"] else "base_trainer"
    result = mmf_run(*(option.replace("STOCK", stock) for option in options))
    lines = [line for line in result.output.splitlines() if line.startswith("refnet: error")]
    assert result.code != 0
    assert len(lines) == 1, result.output
    assert re.search(message, lines[0]), lines[0]
    assert "Traceback" not in result.output
    assert not list(result.folder.rglob("*.ckpt"))


def test_the_scaler_of_half_precision_goes_on(trainer):
    run = trainer()
    run.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    run.scaler.scale(torch.ones(1))
    run.go_on_from({"fp16_scaler": {**run.scaler.state_dict(), "scale": 8.0}})
    assert run.scaler.state_dict()["scale"] == 8.0


def test_an_id_that_no_sample_has_is_named(trainer, tmp_path, memes):
    from refnet_mmf.plugin.errors import RefnetError

    _, rows = annotations(memes)
    file = tmp_path / "ids.txt"
    file.write_text(f"{rows[0]['id']}\n{rows[1]['id']}7777\n")
    with pytest.raises(RefnetError, match="ids.txt: no training sample has the id"):
        trainer(f"refnet.labels.ids_file={file}")


def test_training_without_labels_is_not_begun_by_accident(mmf_run, changed_memes):
    data = changed_memes(lambda row: {k: v for k, v in row.items() if k != "label"})
    result = mmf_run(f"env.data_dir={data}")
    assert result.code != 0
    assert "dataset=hateful_memes: the model computes no loss of its own" in result.output
    assert "Traceback" not in result.output
