"""Miniature memes: a picture and what is said of it; mocking if the two do not fit.

A meme's sentence claims something of what the picture shows: that it is warm or cold (its
colour), large or small, high or low. The label is 1, mocking, if the picture shows the opposite,
else 0. As in the real data set, memes come with their benign *confounders*, in groups of three: a
mocking meme, one with its sentence and a picture that fits it, one with its picture and a sentence
that fits it. Three mocking memes in four claim what is first of its topic (warm, large, high): so
a sentence, or a picture, alone tells the label no better than with an AUROC of 5/8, as what to ask
of the other half must be learnt, and can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from refnet_mmf.experiments.miniature.data_set import DataSet, Layout
from refnet_mmf.experiments.miniature.pictures import (
    Scene,
    Shape,
    random_scene,
    random_shape,
)
from refnet_mmf.experiments.miniature.randomness import pick, stream
from refnet_mmf.experiments.miniature.sentences import Grammar

WARM = ("red", "orange", "yellow", "pink")
COLD = ("green", "teal", "blue", "purple")
TOPICS: dict[str, tuple[str, str]] = {
    "heat": ("warm", "cold"),
    "size": ("large", "small"),
    "height": ("high", "low"),
}
"""What a sentence can be about, with its two claims, the more often mocking one first."""
MOCKING_FIRST_CLAIM = 0.75
"""Share of the mocking memes that make the first claim of their topic."""
GROUP = 3
"""Memes in a group; the size of a split is a multiple of `BLOCK`."""
BLOCK = 12
"""Memes that are shuffled together."""

GRAMMAR = Grammar(
    {
        "meme": [
            "{statement}",
            "{opening} {statement}",
            "{statement} {closing}",
            "{opening} {statement} {closing}",
        ],
        "statement": [
            "{who} looks {degree} {quality}",
            "{who} feels {quality} like {thing}",
            "{who} is {thing}",
            "{who} turned into {thing}",
            "{quality} , {degree} {quality} , says {who}",
            "nothing is as {quality} as {who}",
            "{who} , {degree} {quality} , meets {thing}",
            "call {who} {thing}",
        ],
        "fact": [
            "{thing} is {quality} , {quality} and {quality} like {thing}",
            "{quality} like {thing} , {quality} like {thing} , {quality} like {thing}",
            "{thing} and {thing} are {quality} , {quality} and {quality}",
            "from {thing} to {thing} all is {quality} , even {thing}",
            "{quality} , {quality} , {quality} and {quality} : {thing} or {thing}",
            "{who} saw {thing} and {thing} , both {quality} and {quality}",
        ],
        "opening": [
            "look ,",
            "when",
            "nobody :",
            "monday :",
            "breaking news :",
            "that moment when",
            "oh dear ,",
            "dear diary ,",
            "they say",
            "fun fact :",
            "plot twist :",
        ],
        "closing": [
            "today",
            "again",
            "as always",
            "and we know it",
            "for once",
            "lol",
            "!",
            "every single morning",
            "in the office",
            "on holiday",
            "at the party",
            "after lunch",
        ],
        "degree": ["so", "very", "really", "quite", "truly", "rather"],
        "who": [
            "my friend",
            "your mother",
            "the boss",
            "our neighbour",
            "grandma",
            "the new guy",
            "this one",
            "that fellow",
            "my cat",
            "the whole team",
            "everybody",
            "the teacher",
            "my cousin",
        ],
        "warm quality": [
            "hot",
            "burning",
            "blazing",
            "toasty",
            "sunny",
            "boiling",
            "fiery",
            "roasted",
        ],
        "warm thing": [
            "an oven",
            "a furnace",
            "the desert",
            "lava",
            "the summer",
            "a bonfire",
            "the beach",
            "a volcano",
        ],
        "cold quality": [
            "icy",
            "frozen",
            "freezing",
            "chilly",
            "frosty",
            "shivering",
            "wintry",
            "snowy",
        ],
        "cold thing": [
            "a glacier",
            "a freezer",
            "an iceberg",
            "the winter",
            "a snowman",
            "a penguin",
            "the north pole",
            "an igloo",
        ],
        "large quality": [
            "huge",
            "giant",
            "enormous",
            "massive",
            "gigantic",
            "heavy",
            "vast",
            "colossal",
        ],
        "large thing": [
            "a whale",
            "an elephant",
            "a mountain",
            "a planet",
            "a truck",
            "a stadium",
            "a dinosaur",
            "the pyramids",
        ],
        "small quality": [
            "tiny",
            "little",
            "mini",
            "microscopic",
            "petite",
            "wee",
            "puny",
            "compact",
        ],
        "small thing": [
            "an ant",
            "a mouse",
            "a crumb",
            "a pea",
            "a bean",
            "a button",
            "a ladybug",
            "a grain",
        ],
        "high quality": [
            "high",
            "flying",
            "soaring",
            "floating",
            "airborne",
            "lofty",
            "rising",
            "towering",
        ],
        "high thing": [
            "a balloon",
            "a kite",
            "an eagle",
            "the rooftop",
            "a cloud",
            "a rocket",
            "the moon",
            "a satellite",
        ],
        "low quality": [
            "low",
            "sinking",
            "fallen",
            "buried",
            "drowning",
            "sunken",
            "diving",
            "grounded",
        ],
        "low thing": [
            "an anchor",
            "a submarine",
            "the basement",
            "a mole",
            "the cellar",
            "a tunnel",
            "a worm",
            "a diver",
        ],
    },
    placeholders=("quality", "thing"),
)


@dataclass(frozen=True)
class Meme:
    """One sample.

    Attributes:
        scene: what the picture shows.
        text: what is said of it.
        label: 1 if the two do not fit.
        topic: a key of `TOPICS`.
        group: number of its group of three.
        confounder: which half of its group's mocking meme was exchanged to make it benign,
            ``image`` or ``text``; ``none`` for the mocking one itself.
    """

    scene: Scene
    text: str
    label: int
    topic: str
    group: int
    confounder: str

    def annotation(self, key: str) -> dict[str, Any]:
        """Return the meme's line of the annotations."""
        facts = {
            "topic": self.topic,
            "group": self.group,
            "confounder": self.confounder,
            **asdict(self.scene.shapes[0]),
        }
        return {
            "id": int(key),
            "img": f"img/{key}.png",
            "label": self.label,
            "text": self.text,
            "miniature": facts,
        }


def draw_group(rng: np.random.Generator, group: int) -> list[Meme]:
    """Draw a mocking meme and its two benign confounders."""
    topic = pick(rng, tuple(TOPICS))
    claimed, shown = TOPICS[topic]
    if rng.random() >= MOCKING_FIRST_CLAIM:
        claimed, shown = shown, claimed
    mocked, fitting = (
        random_scene(rng, (shape_that_is(claim, rng),)) for claim in (shown, claimed)
    )
    mocking, plain = (sentence(claim, rng) for claim in (claimed, shown))
    return [
        Meme(mocked, mocking, 1, topic, group, "none"),
        Meme(fitting, mocking, 0, topic, group, "image"),
        Meme(mocked, plain, 0, topic, group, "text"),
    ]


def draw_split(seed: int, split: str, size: int) -> list[Meme]:
    """Draw ``size`` memes, a multiple of `BLOCK`, their groups shuffled within each block.

    So each block holds both labels.
    """
    rng = stream(seed, "memes", split)
    memes: list[Meme] = []
    for start in range(0, size, BLOCK):
        groups = range(start // GROUP, (start + BLOCK) // GROUP)
        block = [meme for group in groups for meme in draw_group(rng, group)]
        memes += [block[i] for i in rng.permutation(BLOCK)]
    return memes


def sentence(claim: str, rng: np.random.Generator) -> str:
    """Write a sentence that claims ``claim`` of the picture."""
    return GRAMMAR.expand("meme", rng, quality=f"{claim} quality", thing=f"{claim} thing")


def corpus(seed: int, size: int) -> list[str]:
    """Write sentences to pretrain a text encoder on: half of them memes', half plain facts.

    The facts put words of one claim side by side, as a text collection would.
    """
    rng = stream(seed, "memes", "corpus")
    claims = [claim for pair in TOPICS.values() for claim in pair]
    sentences = []
    for number in range(size):
        claim = claims[rng.integers(len(claims))]
        rule = "fact" if number % 2 else "meme"
        bound = {"quality": f"{claim} quality", "thing": f"{claim} thing"}
        sentences.append(GRAMMAR.expand(rule, rng, **bound))
    return sentences


def shape_that_is(claim: str, rng: np.random.Generator) -> Shape:
    """Draw a shape of which ``claim`` is true, all else at random."""
    allowed: dict[str, dict[str, Sequence[str]]] = {
        "warm": {"colours": WARM},
        "cold": {"colours": COLD},
        "large": {"sizes": ["large"]},
        "small": {"sizes": ["small"]},
        "high": {"rows": ["top"]},
        "low": {"rows": ["bottom"]},
    }
    return random_shape(rng, **allowed[claim])


_FOLDER = "hateful_memes/defaults"
DATA_SET = DataSet(
    name="hateful_memes",
    layout=Layout(
        # One line of MMF reads dev and test under the first of these names, the other the rest.
        annotations={
            split: [f"{_FOLDER}/annotations/{file}.jsonl" for file in files]
            for split, files in {
                "train": ("train",),
                "dev": ("dev", "dev_seen", "dev_unseen"),
                "test": ("test", "test_seen", "test_unseen"),
            }.items()
        },
        picture=f"{_FOLDER}/images/img/{{key}}.png",
        features=f"{_FOLDER}/features/detectron.lmdb",
        key="{:05d}",
        words={f"{_FOLDER}/extras/vocabs/vocabulary_100k.txt": GRAMMAR.words()},
    ),
    draw_split=draw_split,
    corpus=corpus,
    vocabulary=GRAMMAR.words(),
)
