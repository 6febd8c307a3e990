"""MMF's own experiment, by MMF's own YAML and without the plugin, and what one word makes of it.

Nothing is changed but sizes: a tiny BERT from the data's folder, four regions of 512 features.
"""

from pathlib import Path

import mmf
import pytest
import torch

from refnet_mmf.plugin.mmf_lines import LINE
from tests.command_server import refnet
from tests.plugin.conftest import run_mmf

pytestmark = pytest.mark.mmf

CONFIG = Path(mmf.__file__).parent / "projects/hateful_memes/configs/mmbt/with_features.yaml"
PREDICT = ("run_type=test", "evaluation.predict=True", "checkpoint.resume_pretrained=False")
OWN_PROCESS = {"REFNET_TESTS": "a process that has never seen the plugin"}


@pytest.fixture
def experiment(memes, tmp_path):
    """Run MMF's experiment on the tiny memes; without ``plugin`` in a process that has none."""
    bert = memes / "encoders" / "bert"
    tokenizer = "dataset_config.hateful_memes.processors.text_processor.params"
    sizes = (
        f"model_config.mmbt.bert_model_name={bert}",
        f"{tokenizer}.tokenizer_config.type={bert}",
        f"{tokenizer}.max_seq_length=24",
        "model_config.mmbt.text_encoder.params.hidden_size=96",
        "model_config.mmbt.text_encoder.params.num_hidden_layers=2",
        "model_config.mmbt.text_encoder.params.num_attention_heads=4",
        "model_config.mmbt.text_hidden_size=96",
        "model_config.mmbt.modal_hidden_size=512",
        "model_config.mmbt.modal_encoder.type=default",
        "model_config.mmbt.modal_encoder.params.in_dim=512",
        "training.seed=3",
        *(["training.stdout_capture=False"] if LINE == "pypi" else []),
    )

    def run(model, *options, name, plugin="env.user_dir=refnet_mmf"):
        result = run_mmf(
            *(memes, tmp_path / name, *sizes, *options),
            recipe=CONFIG,
            model=model,
            plugin=plugin,
            environment=None if plugin else OWN_PROCESS,
        )
        assert result.code == 0, result.output[-3000:]
        return result

    return run


def predictions(run) -> str:
    return next(run.folder.rglob("*.csv")).read_text()


def test_without_a_refiner_the_swapped_run_is_mmf_s_bit_for_bit(experiment):
    stock = experiment("mmbt", name="stock", plugin=None)
    assert "refnet" not in stock.output
    off = (f"model_config.refnet_mmbt.refiner.weights.{name}=0" for name in ("text", "image"))
    ours = experiment("refnet_mmbt", *off, name="ours")
    for key in ("train/total_loss", "val/total_loss", "test/hateful_memes/roc_auc"):
        assert stock.series(key) == ours.series(key) != []
    expected, found = stock.model(), ours.model()
    assert set(expected) == set(found)
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


def test_one_word_adds_the_refiner_and_export_takes_it_away_again(experiment, tmp_path):
    ours = experiment("refnet_mmbt", name="ours")
    assert ours.series("train/hateful_memes/refiner_text")
    file = tmp_path / "mmbt.pth"
    done = refnet("export", ours.folder / "best.ckpt", "--out", file)
    assert done.code == 0, done.errors
    stock = experiment(
        "mmbt", *PREDICT, f"checkpoint.resume_file={file}", name="stock", plugin=None
    )
    assert "Missing keys" not in stock.output and "Unexpected keys" not in stock.output
    own = experiment(
        "refnet_mmbt", *PREDICT, f"checkpoint.resume_file={ours.folder / 'best.ckpt'}", name="own"
    )
    assert predictions(stock) == predictions(own)


def test_a_folder_of_the_zoo_starts_the_swapped_run(experiment, tmp_path):
    """MMF takes a folder for ``resume_zoo``: it is what a key of the zoo is unpacked to."""
    stock = experiment("mmbt", name="stock", plugin=None)
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    weights = torch.load(stock.folder / "mmbt_final.pth", weights_only=True)
    torch.save(weights, zoo / "model.pth")
    (zoo / "config.yaml").write_text((stock.folder / "config.yaml").read_text())
    model = f"checkpoint.resume_zoo={zoo}"
    expected = experiment("mmbt", *PREDICT, model, name="predicted", plugin=None)
    ours = experiment("refnet_mmbt", *PREDICT, model, name="ours")
    assert predictions(ours) == predictions(expected)
