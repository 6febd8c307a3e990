"""A modality that is taken away leaves nothing of itself in what a network computes."""

import pytest
import torch

from refnet_mmf.plugin import mmf_lines
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.fusion_taps import FusionReader
from refnet_mmf.plugin.missing_modality import without_image, without_text
from tests.plugin.conftest import PROJECTS

pytestmark = pytest.mark.mmf

MEMES = PROJECTS / "hateful_memes" / "configs"
MODELS = ["mmbt", "vilbert", "concat", "linear_sum", "gmu", "visual_bert", "concat_bert"]
if mmf_lines.LINE == "main":
    MODELS += ["lxmert", "mmf_transformer", "uniter"]


@pytest.fixture
def fused(build):
    """Give a function of a batch: the fused embedding of a model in eval mode."""

    def make(name):
        ours = name in ("mmbt", "vilbert", "concat", "linear_sum", "gmu")
        recipe = MEMES / name / "refnet_mini.yaml"
        model = build(recipe=recipe, model=f"refnet_{name}" if ours else "refnet").eval()
        model.is_pretrained = True
        reader = FusionReader(model, model.fusion_taps())
        reader.follow(True)

        def read(batch):
            with torch.no_grad(), reader.record():
                model(batch.copy())
                return reader.fused()

        return read

    return make


def with_text_of(batch, other):
    mixed = batch.copy()
    for key in ("input_ids", "input_mask", "segment_ids"):
        mixed[key] = other[key]
    return mixed


def with_picture_of(batch, other):
    mixed = batch.copy()
    mixed["image_feature_0"] = other["image_feature_0"]
    mixed["image_info_0"] = batch["image_info_0"].copy()
    mixed["image_info_0"]["bbox"] = batch["image_info_0"]["bbox"] / 2
    return mixed


@pytest.mark.parametrize("name", MODELS)
def test_only_the_other_modality_counts(fused, samples, name):
    read, first, second = fused(name), samples(seed=0), samples(seed=1)
    for key in ("input_ids", "segment_ids"):  # every text begins with [CLS] and ends with [SEP]
        assert key in first
    for batch in (first, second):
        last = batch["input_mask"].sum(dim=1, keepdim=True) - 1
        batch["input_ids"][:, 0] = 2
        batch["input_ids"].scatter_(1, last, 3)
    for without, with_other, with_same in (
        (without_text, with_text_of, with_picture_of),
        (without_image, with_picture_of, with_text_of),
    ):
        base = read(without(first))
        assert torch.equal(base, read(without(with_other(first, second))))
        assert not torch.allclose(base, read(without(with_same(first, second))), atol=1e-6)
        assert not torch.allclose(base, read(first), atol=1e-6)


def test_the_batch_itself_stays(samples):
    batch, same = samples(), samples()
    without_text(batch)
    without_image(batch)
    for key in ("input_ids", "input_mask", "segment_ids", "image_feature_0"):
        assert torch.equal(batch[key], same[key])
    assert torch.equal(batch["image_info_0"]["bbox"], same["image_info_0"]["bbox"])


def test_an_empty_sentence_is_its_first_and_last_token(samples):
    batch = samples()
    emptied = without_text(batch)
    for row, (ids, mask) in enumerate(zip(batch["input_ids"], batch["input_mask"], strict=True)):
        ends = [int(ids[0]), int(ids[mask.sum() - 1])]
        assert emptied["input_ids"][row].tolist() == ends + [0] * (len(ids) - 2)
        assert emptied["input_mask"][row].tolist() == [1, 1] + [0] * (len(ids) - 2)


def test_pictures_and_indices_of_a_vocabulary(samples):
    batch = samples()
    for key in ("input_ids", "image_feature_0"):
        del batch[key]
    batch["image"] = torch.ones(4, 3, 8, 8)
    batch["text"] = torch.ones(4, 5, dtype=torch.long)
    assert without_image(batch)["image"].count_nonzero() == 0
    assert without_text(batch)["text"].count_nonzero() == 0


def test_boxes_in_lists(samples):
    batch = samples()
    batch["image_info_0"]["bbox"] = [box.numpy() for box in batch["image_info_0"]["bbox"]]
    assert not any(box.any() for box in without_image(batch)["image_info_0"]["bbox"])


def test_a_batch_without_the_modality(samples):
    batch = samples()
    del batch["image_feature_0"], batch["input_ids"]
    with pytest.raises(RefnetError, match=r"dataset=hateful_memes: no picture to take away"):
        without_image(batch)
    with pytest.raises(RefnetError, match=r"no text to take away: expected input_ids"):
        without_text(batch)
