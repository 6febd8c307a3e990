"""What was converted is read by MMF's own builders, which download nothing."""

import argparse
import json

import pytest
import torch

from refnet_mmf.experiments.real_data.check import check
from refnet_mmf.experiments.real_data.convert import Request, convert
from refnet_mmf.experiments.real_data.findings import usable_inputs
from refnet_mmf.experiments.real_data.mmimdb import GENRES
from tests.experiments.published import GENRES as GENRES_OF
from tests.experiments.published import (
    SMALL_ENTAILMENT,
    SMALL_MMIMDB,
    archive,
    entailment_folder,
    features,
    movie_folder,
)

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")
pytestmark = pytest.mark.mmf

EXPERIMENT = """
dataset_config:
  {name}:
    use_features: {features}
    use_images: {images}
    max_features: 4
    processors:
      text_processor:
        type: bert_tokenizer
        params:
          tokenizer_config: {{type: {tokenizer}, params: {{do_lower_case: true}}}}
          mask_probability: 0
          max_seq_length: 8
      image_processor:
        type: torchvision_transforms
        params: {{transforms: [ToTensor]}}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a split as MMF does; a download fails the test."""
    from mmf.common.registry import registry
    from mmf.utils import download
    from mmf.utils.build import build_dataset
    from mmf.utils.configuration import Configuration
    from mmf.utils.env import setup_imports

    def refuse(*args, **kwargs):
        pytest.fail(f"MMF wants to download {args}")

    monkeypatch.setattr(download, "download_resource", refuse)
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "plot", "of", "sentence", "0"]
    (tokenizer / "vocab.txt").write_text("\n".join(words) + "\n")
    (tokenizer / "config.json").write_text(json.dumps({"model_type": "bert"}))
    setup_imports()

    def run(name, data, split, inputs):
        file = tmp_path / "experiment.yaml"
        uses = {"features": inputs == "features", "images": inputs == "images"}
        told = {key: str(value).lower() for key, value in uses.items()}
        file.write_text(EXPERIMENT.format(name=name, tokenizer=tokenizer, **told))
        options = [f"config={file}", "model=mmbt", f"dataset={name}", f"env.data_dir={data}"]
        configuration = Configuration(argparse.Namespace(config_override=None, opts=options))
        registry.register("configuration", configuration)
        configuration.freeze()
        config = configuration.get_config()
        registry.register("config", config)
        for key in [key for key in registry.mapping["state"] if key.startswith(f"{name}_")]:
            del registry.mapping["state"][key]  # the processors of the test before
        return build_dataset(name, config.dataset_config[name], split)

    return run


def reds(samples):
    """The red of each picture, which tells its number."""
    return [round(float(sample.image[0].mean()) * 255 / 10) for sample in samples]


@pytest.fixture
def movies(tmp_path):
    lmdb = features(tmp_path / "given" / "features.lmdb", GENRES_OF)
    raw = archive(movie_folder(tmp_path), tmp_path / "mmimdb.tar.gz")
    given = archive(lmdb, tmp_path / "features.tar.gz")
    convert(Request(SMALL_MMIMDB, raw, tmp_path / "data", features=given))
    return tmp_path / "data"


@pytest.fixture
def sentences(tmp_path):
    lmdb = features(tmp_path / "given" / "detectron.lmdb", ["1000", "1001"])
    raw = entailment_folder(tmp_path / "raw")
    convert(Request(SMALL_ENTAILMENT, raw, tmp_path / "data", features=lmdb))
    return tmp_path / "data"


def genres_of(sample):
    """The genres that a sample's targets say; column 0 is MMF's unknown class."""
    names = ["<unk>", *GENRES]
    return {names[column] for column in sample.targets.nonzero().flatten().tolist()}


def test_movies_by_their_features(movies, load):
    expected = {
        "train": [{"drama", "film-noir"}, {"comedy"}, {"sci-fi"}],
        "val": [{"drama"}, {"short", "animation"}],
        "test": [{"war", "drama"}],
    }
    numbers = {"train": [0, 1, 3], "val": [4, 5], "test": [6]}
    for split, genres in expected.items():
        samples = list(load("mmimdb", movies, split, "features"))
        assert [genres_of(sample) for sample in samples] == genres
        assert all(len(sample.targets) == 24 for sample in samples)
        for sample, number in zip(samples, numbers[split], strict=True):
            values = torch.zeros(4, 2048)
            values[:2] = number
            assert torch.equal(sample.image_feature_0, values)
            assert sample.tokens[1:3] == ["plot", "of"]


def test_movies_by_their_posters(movies, load):
    samples = list(load("mmimdb", movies, "train", "images"))
    assert [genres_of(sample) for sample in samples][1:] == [{"comedy"}, {"sci-fi"}]
    assert reds(samples) == [0, 1, 3]


def test_sentences_by_features_of_their_pictures(sentences, load):
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        samples = list(load("visual_entailment", sentences, split, "features"))
        assert [int(sample.targets) for sample in samples] == [0, 1, 2] * (count // 3)
        assert samples[0].tokens[1:3] == ["sentence", "0"]
        for row, sample in zip((0, 1, 2, 4, 5, 6), samples, strict=False):
            assert float(sample.image_feature_0[0, 0]) == row % 2


def test_sentences_by_their_pictures(sentences, load):
    samples = list(load("visual_entailment", sentences, "val", "images"))
    assert [int(sample.targets) for sample in samples] == [0, 1, 2]
    assert reds(samples) == [0, 1, 0]


@pytest.mark.parametrize("name", ["mmimdb", "visual_entailment"])
def test_what_check_calls_unmarked_mmf_would_download(name, request, monkeypatch):
    """The other side of the marks: without one, MMF asks for a download, and check says so."""
    from mmf.utils import download

    data = request.getfixturevalue("movies" if name == "mmimdb" else "sentences")
    load = request.getfixturevalue("load")
    data_set = SMALL_MMIMDB if name == "mmimdb" else SMALL_ENTAILMENT
    assert usable_inputs(check(data_set, data).findings) == ["pictures", "features"]
    (data / "datasets" / name / "defaults/annotations/.built.json").unlink()
    found = [f.what for f in check(data_set, data).findings if f.verdict == "wrong"]
    assert found == [f"mark of {name}/annotations"]
    wanted = []
    monkeypatch.setattr(download, "download_resource", lambda *args: wanted.append(args))
    load(name, data, "train", "features")
    assert len(wanted) == 1
