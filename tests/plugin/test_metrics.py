"""The plugin's metrics in MMF's registry, as MMF calls them."""

import logging
import math

import pytest
import torch
from omegaconf import OmegaConf
from sklearn.metrics import f1_score, roc_auc_score

from refnet_mmf.plugin.errors import RefnetError
from tests.plugin import small_sets

pytestmark = pytest.mark.mmf
NAMES = (
    "refnet_accuracy",
    "refnet_roc_auc",
    "refnet_micro_f1",
    "refnet_macro_f1",
    "refnet_macro_f1_all_columns",
)


@pytest.fixture
def measure():
    """Compute metrics of a split as MMF does, by its own ``Metrics``."""
    from mmf.common.report import Report
    from mmf.common.sample import SampleList
    from mmf.modules.metrics import Metrics

    import refnet_mmf

    refnet_mmf.register()

    def run(names, scores, targets, dataset="plain", split="val", metrics=None):
        metrics = metrics or Metrics(OmegaConf.create(list(names)))
        batch = SampleList()
        batch.dataset_name, batch.dataset_type = dataset, split
        batch.add_field("id", torch.arange(len(scores)))
        if targets is not None:
            batch.add_field("targets", targets)
        report = Report(batch, {"scores": scores})
        values = metrics(report, report)
        prefix = f"{split}/{dataset}/"
        assert all(value.shape == (1,) for value in values.values())
        return {key.removeprefix(prefix): value.item() for key, value in values.items()}

    return run


@pytest.fixture
def movie_vocabulary(tmp_path):
    """The answer processor of four genres in MMF's registry, as the stock data set puts it."""
    from mmf.common.registry import registry
    from mmf.datasets.processors.processors import Processor

    def make(classes=small_sets.GENRES):
        data = small_sets.movies(tmp_path, classes=classes)
        answers = {
            "type": "multi_hot_answer_from_vocab",
            "params": {
                "num_answers": 1,
                "vocab_file": str(data / "datasets/mmimdb/defaults/extras/classes_mm_imdb.txt"),
                "preprocessor": {"type": "simple_word", "params": {}},
            },
        }
        processor = Processor(OmegaConf.create(answers), data_dir=str(data))
        registry.register("mmimdb_answer_processor", processor)
        return processor

    yield make
    registry.unregister("mmimdb_answer_processor")


def test_they_agree_with_the_stock_metrics_where_those_are_right(measure):
    torch.manual_seed(0)
    scores, targets = torch.randn(50, 2), torch.randint(0, 2, (50,))
    values = measure(["refnet_accuracy", "accuracy", "refnet_roc_auc", "roc_auc"], scores, targets)
    assert values["refnet_accuracy"] == pytest.approx(values["accuracy"], abs=1e-6)
    assert values["refnet_roc_auc"] == pytest.approx(values["roc_auc"], abs=1e-6)
    scores, targets = torch.randn(50, 5), torch.randint(0, 2, (50, 5)).float()
    stock = ("multilabel_micro_f1", "multilabel_macro_f1")
    values = measure([*NAMES[2:], *stock], scores, targets)
    assert values["refnet_micro_f1"] == pytest.approx(values["multilabel_micro_f1"], abs=1e-6)
    assert values["refnet_macro_f1"] == pytest.approx(values["multilabel_macro_f1"], abs=1e-6)


@pytest.mark.parametrize("place", [None, 2])
def test_the_column_of_unk_is_no_class(measure, movie_vocabulary, place):
    """``<unk>`` stands where the class file has it, or first."""
    classes = list(small_sets.GENRES)
    if place is not None:
        classes.insert(place, "<unk>")
    processor = movie_vocabulary(classes)
    column = place or 0
    labels = [["drama"], ["Comedy", "war"], ["sci-fi"], ["Drama", "War"], ["comedy"]]
    targets = torch.stack([processor({"answers": each})["answers_scores"] for each in labels])
    assert targets.shape == (5, 5) and not targets[:, column].any()
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))
    scores[:, column] = 1  # a column that nobody has, predicted all the same
    values = measure(NAMES[2:], scores, targets, dataset="mmimdb")
    predicted, real = (scores > 0).int().numpy(), [c for c in range(5) if c != column]
    truth = targets.int().numpy()
    for name, columns, average in (
        ("refnet_micro_f1", real, "micro"),
        ("refnet_macro_f1", real, "macro"),
        ("refnet_macro_f1_all_columns", range(5), "macro"),
    ):
        expected = f1_score(truth[:, columns], predicted[:, columns], average=average)
        assert values[name] == pytest.approx(expected, abs=1e-6), name
    assert values["refnet_macro_f1_all_columns"] == pytest.approx(
        values["refnet_macro_f1"] * 4 / 5, abs=1e-6
    )


def test_every_column_is_a_class_where_there_is_no_vocabulary(measure, movie_vocabulary):
    movie_vocabulary()
    torch.manual_seed(0)
    scores, targets = torch.randn(20, 5), torch.randint(0, 2, (20, 5)).float()
    values = measure(NAMES[3:], scores, targets, dataset="other")
    assert values["refnet_macro_f1"] == values["refnet_macro_f1_all_columns"] > 0


def test_auroc_of_one_class_is_chance_and_says_so(measure, caplog):
    from mmf.modules.metrics import Metrics

    metrics = Metrics(OmegaConf.create(["refnet_roc_auc"]))
    scores = torch.randn(6, 2)
    with caplog.at_level(logging.WARNING):
        for split in ("val", "val", "test"):
            values = measure([], scores, torch.ones(6).long(), split=split, metrics=metrics)
            assert values == {"refnet_roc_auc": 0.5}
    said = [record.getMessage() for record in caplog.records if "refnet_roc_auc" in str(record)]
    assert [line.partition(":")[0] for line in said] == ["val", "test"]
    assert all("all 6 samples are of one class; counted as 0.5" in line for line in said)


def test_auroc_names_a_class_without_samples(measure, caplog):
    torch.manual_seed(0)
    scores, targets = torch.randn(30, 3), torch.arange(30) % 2
    values = measure(["refnet_roc_auc"], scores, targets)
    odds = [scores[:, k] - scores[:, [c for c in range(3) if c != k]].logsumexp(1) for k in (0, 1)]
    areas = [roc_auc_score(targets == k, odds[k]) for k in (0, 1)]
    assert values["refnet_roc_auc"] == pytest.approx(sum(areas) / 2, abs=1e-6)
    assert "no sample is of class 2" in caplog.text


def test_auroc_of_a_model_that_has_diverged_is_nan(measure, caplog):
    scores = torch.full((4, 2), math.nan)
    values = measure(["refnet_roc_auc"], scores, torch.tensor([0, 1, 0, 1]))
    assert math.isnan(values["refnet_roc_auc"])
    assert "the model has diverged" in caplog.text


def test_a_set_without_labels_is_named(measure):
    with pytest.raises(RefnetError, match="test/plain/refnet_accuracy: the samples have no labels"):
        measure(["refnet_accuracy"], torch.randn(4, 2), None, split="test")


def test_label_sets_are_not_for_accuracy(measure):
    with pytest.raises(RefnetError, match="val/plain/refnet_accuracy: .*one label a sample"):
        measure(["refnet_accuracy"], torch.randn(2, 3), torch.ones(2, 3))


def test_a_parameter_is_refused(measure):
    from mmf.modules.metrics import Metrics

    metric = {"type": "refnet_macro_f1", "params": {"average": "x"}}
    with pytest.raises(RefnetError, match="refnet_macro_f1: params: expected none, got average"):
        Metrics(OmegaConf.create([metric]))


def test_a_run_logs_them_and_keeps_the_best_by_one(mmf_run, tmp_path):
    from tests.plugin.conftest import PROJECT

    recipe = tmp_path / "metrics.yaml"
    recipe.write_text(
        f"includes:\n- {PROJECT / 'refnet_mini.yaml'}\n"
        "evaluation:\n  metrics: [accuracy, roc_auc, refnet_accuracy, refnet_roc_auc]\n"
        "training:\n  early_stop:\n    criteria: hateful_memes/refnet_roc_auc\n"
    )
    run = mmf_run("run_type=train_val_test", "training.evaluate_metrics=True", recipe=str(recipe))
    assert run.code == 0, run.output[-3000:]
    for split in ("train", "val", "test"):
        stock, ours = (f"{split}/hateful_memes/{prefix}" for prefix in ("", "refnet_"))
        assert run.series(f"{ours}accuracy") == run.series(f"{stock}accuracy") != []
        # The stock metric ranks by a softmax in single precision, which ties a pair here or there.
        assert run.series(f"{ours}roc_auc") == pytest.approx(
            run.series(f"{stock}roc_auc"), abs=0.01
        )
    assert run.checkpoint("best.ckpt")["best_metric_value"] > 0
