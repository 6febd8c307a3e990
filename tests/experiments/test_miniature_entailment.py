"""The miniature entailment: the class is a matter of both halves; all three are as likely."""

from collections import Counter

import pytest

from refnet_mmf.experiments.miniature.visual_entailment import (
    CLAIMS,
    COLOURS,
    GRAMMAR,
    draw_split,
)
from refnet_mmf.plugin.annotation_fields import ENTAILMENT_CLASSES

SAMPLES = draw_split(0, "train", 6000)


def best_guess(feature) -> float:
    """Accuracy of the best guess from one feature of a sample."""
    counts = {}
    for sample in SAMPLES:
        counts.setdefault(feature(sample), Counter())[sample.label] += 1
    assert len(counts) > 1
    return sum(max(labels.values()) for labels in counts.values()) / len(SAMPLES)


def holds(claim: str, shape) -> bool:
    return claim in (shape.size, {"top": "high", "bottom": "low"}[shape.row])


def meant(sentence: str, names) -> list[str]:
    padded = f" {sentence} "
    return [name for name in names if any(f" {text} " in padded for text in GRAMMAR.rules[name])]


def test_the_label_is_true_of_picture_and_sentence():
    for sample in SAMPLES:
        (shape,) = sample.scene.shapes
        (claim,), (colour,) = meant(sample.sentence, CLAIMS), meant(sample.sentence, COLOURS)
        if colour != shape.colour:
            expected = "neutral"
        else:
            expected = "entailment" if holds(claim, shape) else "contradiction"
        assert sample.label == expected, sample


def test_a_group_holds_each_class_and_shares_one_half():
    groups = {}
    for sample in SAMPLES:
        groups.setdefault(sample.group, []).append(sample)
    assert len(groups) == 2000
    for number, group in groups.items():
        assert sorted(sample.label for sample in group) == sorted(ENTAILMENT_CLASSES)
        pictures = {sample.scene for sample in group}
        sentences = {sample.sentence for sample in group}
        assert (len(pictures), len(sentences)) == ((1, 3) if number % 2 else (3, 1))
        assert {sample.shared for sample in group} == {"picture" if number % 2 else "sentence"}


@pytest.mark.parametrize("side", ["shown", "said"])
def test_one_half_alone_tells_little(side):
    """The best guess by what one half shows or says is right 0.45 of the time; chance is 0.33."""
    assert best_guess(lambda sample: getattr(sample, side)) == pytest.approx(0.45, abs=0.02)


def test_both_halves_together_tell_all():
    assert best_guess(lambda sample: (sample.shown, sample.said)) == 1


@pytest.mark.parametrize("look", ["kind", "column"])
def test_what_is_never_spoken_of_tells_nothing(look):
    guess = best_guess(lambda sample: getattr(sample.scene.shapes[0], look))
    assert guess == pytest.approx(1 / 3, abs=0.02)


def test_every_block_of_twelve_holds_each_class_four_times():
    labels = [sample.label for sample in SAMPLES]
    for start in range(0, len(labels), 12):
        assert Counter(labels[start : start + 12]) == dict.fromkeys(ENTAILMENT_CLASSES, 4)


def test_flickr_lists_the_pictures_of_each_split(entailment):
    folder = entailment / "datasets/flickr30k/defaults"
    listed = [
        (folder / f"annotations/{split}.txt").read_text().splitlines()
        for split in ("train", "val", "test")
    ]
    assert [len(keys) for keys in listed] == [72, 36, 36]
    pictures = sorted(path.stem for path in (folder / "images/flickr30k_images").glob("*.jpg"))
    assert [key for keys in listed for key in keys] == pictures
