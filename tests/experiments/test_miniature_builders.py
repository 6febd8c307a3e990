"""MMF's builders, of the line that is installed, read the miniature sets, and download nothing."""

import argparse

import pytest
import torch
import yaml

from refnet_mmf.experiments.miniature.mmimdb import FREQUENCY

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
pytestmark = pytest.mark.mmf
SPLITS = {"train": 72, "val": 36, "test": 36}
CLASSES = ("entailment", "neutral", "contradiction")
FEATURES = {
    "use_images": False,
    "use_features": True,
    "max_features": 4,
    "return_features_info": True,
}
PICTURES = {"use_images": True, "use_features": False}
PIXELS = {"type": "torchvision_transforms", "params": {"transforms": ["ToTensor"]}}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a split as MMF does, with its own data sets; a download fails the test."""
    from mmf.common.registry import registry
    from mmf.utils import download
    from mmf.utils.build import build_dataset
    from mmf.utils.configuration import Configuration
    from mmf.utils.env import setup_imports

    def refuse(*args):
        pytest.fail(f"MMF wants to download {args}")

    monkeypatch.setattr(download, "download_resource", refuse)
    setup_imports()

    def run(name, folder, split, settings):
        text = {
            "type": "bert_tokenizer",
            "params": {
                "tokenizer_config": {
                    "type": str(folder / "encoders/bert"),
                    "params": {"do_lower_case": True},
                },
                "mask_probability": 0,
                "max_seq_length": 48,
            },
        }
        section = {**settings, "processors": {"text_processor": text, "image_processor": PIXELS}}
        file = tmp_path / "experiment.yaml"
        file.write_text(yaml.safe_dump({"dataset_config": {name: section}}))
        options = [f"config={file}", "model=mmbt", f"dataset={name}", f"env.data_dir={folder}"]
        configuration = Configuration(argparse.Namespace(config_override=None, opts=options))
        registry.register("configuration", configuration)
        configuration.freeze()
        config = configuration.get_config()
        registry.register("config", config)
        for key in [key for key in registry.mapping["state"] if key.startswith(f"{name}_")]:
            registry.unregister(key)  # the processors of the test before
        return build_dataset(name, config.dataset_config[name], split)

    return run


@pytest.fixture
def plugin():
    """The plugin, with which the PyPI line reads these sets' pictures too."""
    import refnet_mmf

    refnet_mmf.register()


def batch_of(dataset):
    from mmf.common.sample import SampleList

    return SampleList([dataset[index] for index in range(12)])


def row(dataset, index):
    return dataset.datasets[0].annotation_db[index]


def check_movies(dataset, batch):
    # One column more than there are genres: MMF puts <unk> before them.
    assert batch.targets.shape == (12, 1 + len(FREQUENCY))
    assert not batch.targets[:, 0].any()
    assert batch.input_ids.shape == (12, 48) and batch.input_mask.sum(1).min() > 10
    for index, targets in enumerate(batch.targets):
        marked = targets[1:].nonzero().flatten().tolist()
        assert [list(FREQUENCY)[column] for column in marked] == row(dataset, index)["genres"]


def check_entailment(dataset, batch):
    assert batch.targets.bincount().tolist() == [4, 4, 4]
    assert batch.input_ids.shape == (12, 48) and batch.input_mask.sum(1).min() > 5
    for index, target in enumerate(batch.targets.tolist()):
        assert CLASSES[target] == row(dataset, index)["gold_label"]


def check_features(batch):
    assert batch.image_feature_0.shape == (12, 4, 512)
    assert len(batch.image_feature_0.mean(1).unique(dim=0)) > 4
    information = batch.image_info_0
    assert torch.as_tensor(information.max_features).tolist() == [4] * 12


def check_pictures(batch):
    assert batch.image.shape == (12, 3, 64, 64)
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    assert len(batch.image.mean((2, 3)).unique(dim=0)) > 4


@pytest.mark.parametrize("split", SPLITS)
def test_movies_by_features(split, load, movies):
    dataset = load("mmimdb", movies, split, FEATURES)
    assert len(dataset) == SPLITS[split]
    batch = batch_of(dataset)
    check_movies(dataset, batch)
    check_features(batch)


def test_movies_by_pictures(plugin, load, movies):
    dataset = load("mmimdb", movies, "train", PICTURES)
    batch = batch_of(dataset)
    check_movies(dataset, batch)
    check_pictures(batch)


@pytest.mark.parametrize("split", SPLITS)
def test_entailment_by_features(split, load, entailment):
    dataset = load("visual_entailment", entailment, split, FEATURES)
    assert len(dataset) == SPLITS[split]
    batch = batch_of(dataset)
    check_entailment(dataset, batch)
    check_features(batch)


def test_entailment_by_pictures(plugin, load, entailment):
    dataset = load("visual_entailment", entailment, "train", PICTURES)
    batch = batch_of(dataset)
    check_entailment(dataset, batch)
    check_pictures(batch)
