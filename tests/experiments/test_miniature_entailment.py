"""The miniature entailment set: three classes that neither picture nor sentence tells alone."""

import json
from collections import Counter

import pytest

from refnet_mmf.experiments.miniature.sentences import words_of
from refnet_mmf.experiments.miniature.visual_entailment import (
    CLASSES,
    GRAMMAR,
    OPPOSITE,
    corpus,
    draw_split,
)


def best_share(samples, feature) -> float:
    """Accuracy of the best guess from one feature of a sample."""
    counts = Counter((feature(sample), sample.label) for sample in samples)
    keys = {key for key, _ in counts}
    right = sum(max(counts[key, label] for label in CLASSES) for key in keys)
    return right / len(samples)


def test_each_picture_has_a_sentence_of_each_class():
    groups = {}
    for sample in draw_split(0, "train", 600):
        groups.setdefault(sample.group, []).append(sample)
    for group in groups.values():
        assert {sample.label for sample in group} == set(CLASSES)
        assert len({id(sample.scene) for sample in group}) == 1


def test_a_label_follows_from_picture_and_claim():
    for sample in draw_split(0, "train", 600):
        (shape,) = sample.scene.shapes
        facts = {shape.size, shape.row, shape.column}
        if sample.label == "entailment":
            assert sample.colour == shape.colour and sample.claim in facts
        elif sample.label == "contradiction":
            assert sample.colour == shape.colour and OPPOSITE[sample.claim] in facts
        else:
            assert sample.colour != shape.colour


def test_the_sentence_alone_is_at_chance():
    samples = draw_split(0, "train", 12000)
    assert best_share(samples, lambda s: (s.colour, s.claim)) == pytest.approx(1 / 3, abs=0.04)
    assert best_share(samples, lambda s: (s.scene.shapes[0].colour, s.claim)) < 0.4


def test_a_seed_fixes_the_samples_and_the_vocabulary_is_complete():
    assert draw_split(0, "dev", 24) == draw_split(0, "dev", 24) != draw_split(1, "dev", 24)
    texts = [*corpus(0, 300), *(sample.sentence for sample in draw_split(0, "train", 300))]
    assert {word for text in texts for word in words_of(text)} <= set(GRAMMAR.words())


def test_the_rows_name_pictures_that_are_there(entailment):
    folder = entailment / "datasets/visual_entailment/defaults/annotations"
    pictures = entailment / "datasets/flickr30k/defaults/images/flickr30k_images"
    for split in ("train", "dev", "test"):
        rows = [json.loads(x) for x in (folder / f"snli_ve_{split}.jsonl").read_text().splitlines()]
        assert rows and all((pictures / row["Flikr30kID"]).is_file() for row in rows)
        assert {row["gold_label"] for row in rows} == set(CLASSES)
