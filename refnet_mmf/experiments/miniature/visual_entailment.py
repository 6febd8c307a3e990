"""Miniature entailment: a picture, and a sentence that follows from it, contradicts it or neither.

A picture shows a coloured shape. A sentence says of the shape of some colour that it is large or
small, high or low: *entailment* if the picture shows just that, *contradiction* if it shows the
opposite, *neutral* if the picture shows no shape of that colour. Samples come in groups of three,
one of each class; in every other group they share their picture, in the rest their sentence. What
a group shares is of a warm colour, and the first claim of its topic (large, high), three times in
four: so a picture, or a sentence, alone tells the class hardly better than chance (0.45 of them at
best, with chance at 0.33), as what to ask of the other half must be learnt, and can be.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from refnet_mmf.experiments.miniature.data_set import DataSet, Layout
from refnet_mmf.experiments.miniature.pictures import Scene, random_scene, random_shape
from refnet_mmf.experiments.miniature.randomness import pick, stream
from refnet_mmf.experiments.miniature.sentences import Grammar
from refnet_mmf.plugin.annotation_fields import ENTAILMENT_CLASSES

WARM, COLD = ("red", "yellow"), ("green", "blue")
COLOURS = WARM + COLD
TOPICS = (("large", "small"), ("high", "low"))
"""What a sentence can be about, with its two claims, of which groups share the first more often."""
CLAIMS = tuple(claim for topic in TOPICS for claim in topic)
SHARED_FIRST = 0.75
"""Share of the groups that share the first claim of their topic; and of those of a warm colour."""
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
        "yellow": ["yellow", "golden", "lemon"],
        "green": ["green", "emerald", "olive"],
        "blue": ["blue", "navy", "azure"],
        "large": ["large", "big", "huge", "enormous"],
        "small": ["small", "little", "tiny", "minute"],
        "high": ["high", "up", "above the middle", "near the ceiling"],
        "low": ["low", "down", "below the middle", "near the floor"],
    },
    placeholders=("colour", "claim"),
)


@dataclass(frozen=True)
class Statement:
    """What a picture shows, or a sentence says: the shape of some colour is so.

    Attributes:
        colour: one of `COLOURS`.
        claim: one of `CLAIMS`.
    """

    colour: str
    claim: str


@dataclass(frozen=True)
class Entailment:
    """One sample.

    Attributes:
        scene: what the picture shows.
        sentence: what is said of it.
        label: one of `ENTAILMENT_CLASSES`.
        shown: the scene's statement.
        said: the sentence's statement, on the same topic.
        group: number of its group of three.
        shared: what its group shares, ``picture`` or ``sentence``.
    """

    scene: Scene
    sentence: str
    label: str
    shown: Statement
    said: Statement
    group: int
    shared: str

    def annotation(self, key: str) -> dict[str, Any]:
        """Return the sample's line of the annotations."""
        return {
            "pairID": key,
            "Flikr30kID": f"{key}.jpg",
            "sentence2": self.sentence,
            "gold_label": self.label,
            "miniature": {
                "shown": asdict(self.shown),
                "said": asdict(self.said),
                "group": self.group,
                "shared": self.shared,
                **asdict(self.scene.shapes[0]),
            },
        }


def draw_group(rng: np.random.Generator, group: int) -> list[Entailment]:
    """Draw a sample of each class; they share a picture if ``group`` is odd, else a sentence."""
    topic = TOPICS[rng.integers(len(TOPICS))]
    claim, opposite = topic if rng.random() < SHARED_FIRST else topic[::-1]
    colour = pick(rng, WARM if rng.random() < SHARED_FIRST else COLD)
    other_colour = pick(rng, [other for other in COLOURS if other != colour])
    shared = Statement(colour, claim)
    other_halves = {
        "entailment": shared,
        "neutral": Statement(other_colour, pick(rng, topic)),
        "contradiction": Statement(colour, opposite),
    }
    if group % 2:
        scene = draw_scene(shared, rng)
        return [
            Entailment(scene, write(said, rng), label, shared, said, group, "picture")
            for label, said in other_halves.items()
        ]
    sentence = write(shared, rng)
    return [
        Entailment(draw_scene(shown, rng), sentence, label, shown, shared, group, "sentence")
        for label, shown in other_halves.items()
    ]


def draw_split(seed: int, split: str, size: int) -> list[Entailment]:
    """Draw ``size`` samples, a multiple of `BLOCK`, the groups shuffled within each block."""
    rng = stream(seed, "entailment", split)
    samples: list[Entailment] = []
    for start in range(0, size, BLOCK):
        groups = range(start // len(ENTAILMENT_CLASSES), (start + BLOCK) // len(ENTAILMENT_CLASSES))
        block = [sample for group in groups for sample in draw_group(rng, group)]
        samples += [block[i] for i in rng.permutation(BLOCK)]
    return samples


def write(statement: Statement, rng: np.random.Generator) -> str:
    """Write a sentence that says ``statement``."""
    return GRAMMAR.expand("hypothesis", rng, **asdict(statement))


def draw_scene(statement: Statement, rng: np.random.Generator) -> Scene:
    """Draw a shape of which ``statement`` is true, all else at random."""
    property_of: dict[str, dict[str, list[str]]] = {
        "large": {"sizes": ["large"]},
        "small": {"sizes": ["small"]},
        "high": {"rows": ["top"]},
        "low": {"rows": ["bottom"]},
    }
    shape = random_shape(rng, colours=[statement.colour], **property_of[statement.claim])
    return random_scene(rng, (shape,))


def corpus(seed: int, size: int) -> list[str]:
    """Write sentences to pretrain a text encoder on: half of them samples', half plain facts.

    The facts put words of one colour, or of one claim, side by side, as a text collection would.
    """
    rng = stream(seed, "entailment", "corpus")
    sentences = []
    for number in range(size):
        rule = "fact" if number % 2 else "hypothesis"
        colour, claim = pick(rng, COLOURS), pick(rng, CLAIMS)
        sentences.append(GRAMMAR.expand(rule, rng, colour=colour, claim=claim))
    return sentences


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
        picture_lists={
            split: f"{_PICTURES}/annotations/{file}.txt"
            for split, file in {"train": "train", "dev": "val", "test": "test"}.items()
        },
    ),
    draw_split=draw_split,
    corpus=corpus,
    vocabulary=GRAMMAR.words(),
)
