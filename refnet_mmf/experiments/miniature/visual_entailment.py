"""Miniature entailment: a picture, and a sentence that follows from it, contradicts it or neither.

A picture shows a coloured shape. A sentence says of the shape of some colour that it is large or
small, high or low, left or right: *entailment* if the picture shows just that, *contradiction* if
it shows the opposite, *neutral* if the picture shows no shape of that colour. Samples come in
groups of three, one of each class, that share their picture; colours and claims are as likely in
one class as in another. So a picture, or a sentence, alone tells nothing of the class.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from refnet_mmf.experiments.miniature.data_set import DataSet, Layout
from refnet_mmf.experiments.miniature.pictures import (
    COLOURS,
    Scene,
    random_scene,
    random_shape,
)
from refnet_mmf.experiments.miniature.randomness import pick, stream
from refnet_mmf.experiments.miniature.sentences import Grammar

CLASSES = ("entailment", "neutral", "contradiction")
OPPOSITE = {
    "large": "small",
    "small": "large",
    "top": "bottom",
    "bottom": "top",
    "left": "right",
    "right": "left",
}
"""What a sentence can claim of a shape, each with what contradicts it."""
TOPICS = ("size", "row", "column")
"""Properties of a shape that a sentence can be about."""
BLOCK = 12
"""Samples that are shuffled together, four of each class; the size of a split is a multiple."""

GRAMMAR = Grammar(
    {
        "hypothesis": [
            "the {colour} {noun} is {claim}",
            "{opening} the {colour} {noun} is {claim}",
            "the {noun} that is {colour} is {claim}",
            "{colour} is the {noun} , and {claim}",
            "look at the {colour} {noun} : {claim}",
            "{claim} is the {colour} {noun}",
        ],
        "fact": [
            "{colour} , {colour} and {colour} are alike",
            "what is {colour} is {colour} or {colour} , and that is {colour}",
            "{claim} and {claim} mean the same : {claim}",
            "what is {claim} is {claim} , and what is {claim} is {claim}",
        ],
        "opening": [
            "we see that",
            "surely",
            "i think",
            "here",
            "in this picture",
            "they say that",
        ],
        "noun": ["shape", "thing", "figure", "object", "form", "item"],
        "red": ["red", "scarlet", "crimson"],
        "orange": ["orange", "amber", "tangerine"],
        "yellow": ["yellow", "golden", "lemon"],
        "pink": ["pink", "rosy", "salmon"],
        "green": ["green", "emerald", "olive"],
        "teal": ["teal", "turquoise", "cyan"],
        "blue": ["blue", "navy", "azure"],
        "purple": ["purple", "violet", "lilac"],
        "large": ["large", "big", "huge", "enormous"],
        "small": ["small", "little", "tiny", "minute"],
        "top": ["high", "up", "above the middle", "near the ceiling"],
        "bottom": ["low", "down", "below the middle", "near the floor"],
        "left": ["left", "on the left", "to the west", "left of the middle"],
        "right": ["right", "on the right", "to the east", "right of the middle"],
    },
    placeholders=("colour", "claim"),
)


@dataclass(frozen=True)
class Entailment:
    """One sample.

    Attributes:
        scene: what the picture shows.
        sentence: what is said of it.
        label: one of :data:`CLASSES`.
        colour: of the shape that the sentence is about, a key of the pictures' colours.
        claim: what it says of that, a key of :data:`OPPOSITE`.
        group: number of its group of three.
    """

    scene: Scene
    sentence: str
    label: str
    colour: str
    claim: str
    group: int

    def annotation(self, key: str) -> dict[str, Any]:
        """Return the sample's line of the annotations."""
        return {
            "pairID": key,
            "Flikr30kID": f"{key}.jpg",
            "sentence2": self.sentence,
            "gold_label": self.label,
            "miniature": {
                "colour": self.colour,
                "claim": self.claim,
                "group": self.group,
                "shape": asdict(self.scene.shapes[0]),
            },
        }


def draw_group(rng: np.random.Generator, group: int) -> list[Entailment]:
    """Draw a picture, and a sentence of each class."""
    shape = random_shape(rng)
    scene = random_scene(rng, (shape,))
    absent = [colour for colour in COLOURS if colour != shape.colour]
    samples = []
    for label in CLASSES:
        shown = getattr(shape, pick(rng, TOPICS))
        claim, colour = shown, shape.colour
        if label == "neutral":
            colour = pick(rng, absent)
            claim = pick(rng, (shown, OPPOSITE[shown]))
        elif label == "contradiction":
            claim = OPPOSITE[shown]
        sentence = GRAMMAR.expand("hypothesis", rng, colour=colour, claim=claim)
        samples.append(Entailment(scene, sentence, label, colour, claim, group))
    return samples


def draw_split(seed: int, split: str, size: int) -> list[Entailment]:
    """Draw ``size`` samples, a multiple of :data:`BLOCK`, the groups shuffled within each block."""
    rng = stream(seed, "entailment", split)
    samples: list[Entailment] = []
    for start in range(0, size, BLOCK):
        groups = range(start // len(CLASSES), (start + BLOCK) // len(CLASSES))
        block = [sample for group in groups for sample in draw_group(rng, group)]
        samples += [block[i] for i in rng.permutation(BLOCK)]
    return samples


def corpus(seed: int, size: int) -> list[str]:
    """Write sentences to pretrain a text encoder on: half of them samples', half plain facts.

    The facts put words of one colour, or of one claim, side by side, as a text collection would.
    """
    rng = stream(seed, "entailment", "corpus")
    return [
        GRAMMAR.expand(
            "fact" if number % 2 else "hypothesis",
            rng,
            colour=pick(rng, tuple(COLOURS)),
            claim=pick(rng, tuple(OPPOSITE)),
        )
        for number in range(size)
    ]


_FOLDER, _PICTURES = "visual_entailment/defaults", "flickr30k/defaults"
DATA_SET = DataSet(
    name="visual_entailment",
    layout=Layout(
        annotations={
            split: [f"{_FOLDER}/annotations/snli_ve_{split}.jsonl"]
            for split in ("train", "dev", "test")
        },
        picture=f"{_PICTURES}/images/flickr30k_images/{{key}}.jpg",
        features=f"{_PICTURES}/features/detectron.lmdb",
        key="{:05d}",
        words={f"{_FOLDER}/extras/vocabs/vocabulary_100k.txt": GRAMMAR.words()},
        pictures_of_split=f"{_PICTURES}/annotations/{{split}}.txt",
    ),
    draw_split=draw_split,
    corpus=corpus,
    vocabulary=GRAMMAR.words(),
)
