"""MM-IMDB and SNLI-VE by pictures and by features, through MMF's builders, on either line."""

import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from refnet_mmf.plugin.errors import RefnetError
from tests.plugin import small_sets

pytestmark = pytest.mark.mmf

TEXT = """
      text_processor:
        type: bert_tokenizer
        params:
          tokenizer_config:
            type: {bert}
            params:
              do_lower_case: true
          mask_probability: 0
          max_seq_length: 8
"""
PIXELS = """
      image_processor:
        type: torchvision_transforms
        params:
          transforms:
          - ToTensor
"""


@pytest.fixture
def load(memes, tmp_path):
    """Load a split by the configuration of a YAML file, as MMF does."""
    from mmf.common.registry import registry
    from mmf.utils.build import build_dataset

    def run(name, data, block, split="train", processors=PIXELS):
        file = tmp_path / "experiment.yaml"
        text = TEXT.format(bert=memes / "encoders" / "bert")
        file.write_text(
            f"dataset_config:\n  {name}:\n{block}    processors:{text.rstrip()}{processors}"
        )
        config = small_sets.configuration(name, data, f"config={file}")
        for key in [k for k in registry.mapping["state"] if k.startswith(f"{name}_")]:
            del registry.mapping["state"][key]  # the processors of the test before
        return build_dataset(name, config.dataset_config[name], split)

    return run


def batch_of(dataset):
    from mmf.common.batch_collator import BatchCollator

    collate = BatchCollator(dataset.dataset_name, dataset.dataset_type)
    return collate([dataset[k] for k in range(len(dataset))])


USE_IMAGES = "    use_images: true\n    use_features: false\n"
USE_FEATURES = "    use_images: false\n    use_features: true\n    max_features: 4\n"


def test_movies_come_with_their_posters(load, tmp_path):
    data = small_sets.movies(tmp_path)
    batch = batch_of(load("mmimdb", data, USE_IMAGES))
    folder = data / "datasets/mmimdb/defaults/images/mmimdb/dataset"
    expected = [to_tensor(Image.open(folder / f"000000{k}.jpeg")) for k in (1, 2)]
    assert torch.equal(batch.image, torch.stack(expected))
    assert batch.targets.tolist() == [[0, 1, 0, 0, 0], [0, 0, 1, 1, 0]]
    assert batch.input_ids.shape == (2, 8)
    assert "image_feature_0" not in batch


def test_the_default_transform_of_posters_is_main_s(load, tmp_path):
    data = small_sets.movies(tmp_path)
    batch = batch_of(load("mmimdb", data, USE_IMAGES, processors="\n"))
    assert batch.image.shape == (2, 3, 224, 224)
    mean, std = (0.46777044, 0.44531429, 0.40661017), (0.12221994, 0.12145835, 0.14380469)
    colour = to_tensor(
        Image.open(data / "datasets/mmimdb/defaults/images/mmimdb/dataset/0000001.jpeg")
    ).mean(dim=(1, 2))
    expected = (colour - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(batch.image[0].mean(dim=(1, 2)), expected, atol=0.02, rtol=0)


def test_sentences_come_with_their_pictures(load, tmp_path):
    data = small_sets.entailment(tmp_path)
    batch = batch_of(load("visual_entailment", data, USE_IMAGES, split="val"))
    folder = data / "datasets/flickr30k/defaults/images/flickr30k_images"
    expected = [to_tensor(Image.open(folder / f"10{k}.jpg")) for k in (0, 1, 0)]
    assert torch.equal(batch.image, torch.stack(expected))
    assert batch.targets.tolist() == [0, 1, 2]
    assert "image_feature_0" not in batch


@pytest.mark.parametrize(
    ("name", "write"),
    [("mmimdb", small_sets.movies), ("visual_entailment", small_sets.entailment)],
)
def test_features_are_read_by_the_stock_data_set(load, tmp_path, name, write):
    dataset = load(name, write(tmp_path), USE_FEATURES)
    batch = batch_of(dataset)
    assert batch.image_feature_0.shape == (len(dataset), 4, small_sets.WIDTH)
    assert batch.image_feature_0[1].unique().tolist() == [1]
    assert "image" not in batch
    stock = dataset.datasets[0] if hasattr(dataset, "datasets") else dataset
    assert type(stock).__module__ == f"mmf.datasets.builders.{name}.dataset"


def test_a_poster_is_found_whatever_its_extension(load, tmp_path):
    rows = [
        {"image_id": "0000001", "plot": "a", "genres": ["war"]},
        {"img": "0000002.png", "plot": "b", "genres": ["war"]},
    ]
    data = small_sets.movies(tmp_path, rows=rows)
    assert batch_of(load("mmimdb", data, USE_IMAGES)).image.shape == (2, 3, 30, 40)


def test_pictures_of_sentences_need_an_image_processor(load, tmp_path):
    from refnet_mmf.plugin.mmf_lines import LINE

    data = small_sets.entailment(tmp_path)
    with pytest.raises((RefnetError, AttributeError), match="image_processor") as error:
        load("visual_entailment", data, USE_IMAGES, processors="\n")
    assert LINE == "main" or isinstance(error.value, RefnetError)


def test_on_main_nothing_is_replaced():
    from mmf.common.registry import registry
    from mmf.utils.env import setup_imports

    import refnet_mmf
    from refnet_mmf.plugin.mmf_lines import LINE

    setup_imports()
    refnet_mmf.register()
    for name in ("mmimdb", "visual_entailment"):
        builder = registry.get_builder_class(name)
        assert (builder.__module__ == f"mmf.datasets.builders.{name}.builder") == (LINE == "main")


def test_a_run_on_posters(memes, tmp_path):
    """refnet run of MMBT on posters: image encoder, label sets and the F1 of the real classes."""
    import sys

    from tests.plugin.conftest import PROJECT, SHORT, run_process

    data = small_sets.movies(tmp_path / "data")
    (data / "encoders").symlink_to(memes / "encoders")
    recipe = tmp_path / "posters.yaml"
    recipe.write_text(
        f"""
includes:
- {PROJECT / "baseline_mini_pixels.yaml"}
model_config:
  mmbt:
    num_labels: 5
    losses:
    - type: logit_bce
dataset_config:
  mmimdb:
{USE_IMAGES}    processors:{TEXT.format(bert=memes / "encoders" / "bert").rstrip()}{PIXELS}
evaluation:
  metrics: [refnet_micro_f1, refnet_macro_f1, refnet_macro_f1_all_columns]
training:
  early_stop:
    criteria: mmimdb/refnet_macro_f1
"""
    )
    options = [f"config={recipe}", "model=mmbt", "dataset=mmimdb", f"env.data_dir={data}"]
    options += [f"env.save_dir={tmp_path / 'save'}", *SHORT, "training.batch_size=2"]
    command = [sys.executable, "-m", "refnet_mmf.cli", "run", *options]
    run = run_process(command, tmp_path / "save", cwd=tmp_path)
    assert run.code == 0, run.output[-3000:]
    real, every = (run.series(f"test/mmimdb/refnet_macro_f1{end}") for end in ("", "_all_columns"))
    assert len(real) == 1 and every == [pytest.approx(real[0] * 4 / 5, abs=1e-4)]
    assert "best_metric_value" in run.checkpoint("best.ckpt")
