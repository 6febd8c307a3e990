"""Miniature movies: a poster and a plot; the genres, many to a movie, are to be told from them.

Of twelve genres, four show in the poster alone, four in the plot alone, and four in the poster, in
the plot or in both, as it comes. A poster shows two shapes: a genre shows as a shape of the genre's
kind or colour. A plot is three sentences: a genre shows as a sentence with the genre's words. The
rest carries no meaning: shapes of other kinds and colours; sentences about the making of the movie,
and about what it is not, with the words of some genre.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from refnet_mmf.experiments.miniature.data_set import DataSet, Layout
from refnet_mmf.experiments.miniature.pictures import (
    COLOURS,
    COLUMNS,
    OUTLINES,
    ROWS,
    Scene,
    random_scene,
    random_shape,
)
from refnet_mmf.experiments.miniature.randomness import pick, stream
from refnet_mmf.experiments.miniature.sentences import Grammar

FREQUENCY = {
    "drama": 0.30,
    "romance": 0.25,
    "western": 0.25,
    "comedy": 0.20,
    "horror": 0.20,
    "animation": 0.20,
    "crime": 0.15,
    "adventure": 0.15,
    "musical": 0.15,
    "war": 0.10,
    "sci-fi": 0.10,
    "sport": 0.10,
}
"""How likely a movie is of each genre; movies of none, or of too many to show, are drawn again."""
KIND_OF = {"sci-fi": "ring", "sport": "circle", "adventure": "cross", "musical": "diamond"}
COLOUR_OF = {"horror": "red", "romance": "pink", "western": "yellow", "animation": "purple"}
"""What the genre's shape on a poster looks like; all else of it is as of a meaningless one."""
PLAIN = {
    "kinds": [kind for kind in OUTLINES if kind not in KIND_OF.values()],
    "colours": [colour for colour in COLOURS if colour not in COLOUR_OF.values()],
}
"""What a meaningless shape can look like."""
IN_POSTER = ("western", "animation", "musical", "sport")
"""Genres that no plot tells."""
IN_PLOT = ("drama", "comedy", "crime", "war")
"""Genres that no poster tells."""
TOLD = tuple(genre for genre in FREQUENCY if genre not in IN_POSTER)
"""Genres that a plot can tell."""
SHAPES = 2
"""Shapes on a poster."""
SENTENCES = 3
"""Sentences of a plot."""
MEANINGLESS = ("filler", "filler", "filler", "denied")
"""Rules of the sentences that tell no genre, one as likely as the other."""

GRAMMAR = Grammar(
    {
        "sentence": ["{content} ."],
        "told": [
            "{who} {doing} {thing}",
            "{who} and {who} {doing} {thing}",
            "after {time} {who} {doing} {thing}",
            "{thing} brought {who} to {thing}",
            "then {who} had to choose between {thing} and {thing}",
            "all began with {thing} , and {who} {doing} {thing}",
        ],
        "filler": [
            "the film was made in {time}",
            "{who} wrote the script within {time}",
            "the camera followed {who} for {time}",
            "{who} gave {who} the part after {time}",
            "critics praised {who} after {time}",
            "it is the second film with {who}",
        ],
        "denied": [
            "do not expect {thing}",
            "this film is not about {thing}",
            "there is neither {thing} nor {thing}",
            "nobody {doing} {thing} this time",
        ],
        "time": ["a year", "three months", "one summer", "many years", "a week", "two days"],
        "who": [
            "a young woman",
            "an old man",
            "the brothers",
            "a teacher",
            "a stranger",
            "two friends",
            "a doctor",
            "the neighbours",
        ],
        "drama doing": ["mourned", "endured", "regretted", "coped with"],
        "drama thing": ["an illness", "a divorce", "the loss of a child", "poverty", "grief"],
        "comedy doing": ["giggled at", "stumbled over", "parodied", "joked about"],
        "comedy thing": ["a prank", "a funny mixup", "a clumsy waiter", "a silly bet", "a clown"],
        "crime doing": ["robbed", "investigated", "smuggled", "blackmailed"],
        "crime thing": ["a bank", "a gangster", "the police", "a heist", "a corrupt lawyer"],
        "war doing": ["bombed", "invaded", "deserted", "defended"],
        "war thing": ["a battle", "the trenches", "a general", "a platoon", "the enemy lines"],
        "romance doing": ["kissed", "adored", "married", "courted"],
        "romance thing": ["a lover", "a wedding", "a love letter", "the bride", "a first date"],
        "horror doing": ["haunted", "dreaded", "slew", "fled from"],
        "horror thing": ["a ghost", "a vampire", "a cursed house", "a zombie", "the graveyard"],
        "adventure doing": ["discovered", "climbed", "explored", "sailed to"],
        "adventure thing": ["a jungle", "a lost city", "a treasure", "an island", "a canyon"],
        "sci-fi doing": ["cloned", "teleported to", "reprogrammed", "orbited"],
        "sci-fi thing": ["a robot", "an alien", "a spaceship", "a distant galaxy", "the android"],
    },
    placeholders=("content", "doing", "thing"),
)


@dataclass(frozen=True)
class Movie:
    """One sample.

    Attributes:
        scene: what the poster shows.
        plot: its sentences, joined.
        genres: all that it is of, in the order of `FREQUENCY`.
        in_poster: those that the poster tells.
        in_plot: those that the plot tells.
    """

    scene: Scene
    plot: str
    genres: tuple[str, ...]
    in_poster: tuple[str, ...]
    in_plot: tuple[str, ...]

    def annotation(self, key: str) -> dict[str, Any]:
        """Return the movie's line of the annotations."""
        return {
            "image_id": key,
            "img": f"{key}.jpeg",
            "feature_path": f"{key}.npy",
            "plot": [self.plot],
            "genres": list(self.genres),
            "miniature": {
                "in_poster": self.in_poster,
                "in_plot": self.in_plot,
                "shapes": [asdict(shape) for shape in self.scene.shapes],
            },
        }


def draw_movie(rng: np.random.Generator) -> Movie:
    """Draw one movie."""
    while True:
        genres = [genre for genre, share in FREQUENCY.items() if rng.random() < share]
        where = {genre: _where(genre, rng) for genre in genres}
        in_poster = tuple(genre for genre in genres if where[genre] != "plot")
        in_plot = tuple(genre for genre in genres if where[genre] != "poster")
        if genres and len(in_poster) <= SHAPES and len(in_plot) <= SENTENCES:
            break
    return Movie(_poster(in_poster, rng), _plot(in_plot, rng), tuple(genres), in_poster, in_plot)


def draw_split(seed: int, split: str, size: int) -> list[Movie]:
    """Draw ``size`` movies."""
    rng = stream(seed, "movies", split)
    return [draw_movie(rng) for _ in range(size)]


def corpus(seed: int, size: int) -> list[str]:
    """Write plots to pretrain a text encoder on."""
    rng = stream(seed, "movies", "corpus")
    return [
        _plot(tuple(pick(rng, TOLD) for _ in range(rng.integers(SENTENCES + 1))), rng)
        for _ in range(size)
    ]


def _where(genre: str, rng: np.random.Generator) -> str:
    if genre in IN_POSTER:
        return "poster"
    if genre in IN_PLOT:
        return "plot"
    return pick(rng, ("poster", "plot", "both"))


def _poster(genres: tuple[str, ...], rng: np.random.Generator) -> Scene:
    """Draw a poster: a shape for each genre before meaningless ones, in different quarters."""
    meaningless: list[dict[str, list[str]]] = [{}] * (SHAPES - len(genres))
    looks = meaningless + [_look(genre) for genre in genres]
    quarters = [{"rows": [row], "columns": [column]} for row in ROWS for column in COLUMNS]
    shapes = tuple(
        random_shape(rng, sizes=["small"], **{**PLAIN, **look, **quarters[place]})
        for look, place in zip(looks, rng.permutation(len(quarters)), strict=False)
    )
    return random_scene(rng, shapes)


def _look(genre: str) -> dict[str, list[str]]:
    return {"kinds": [KIND_OF[genre]]} if genre in KIND_OF else {"colours": [COLOUR_OF[genre]]}


def _plot(genres: tuple[str, ...], rng: np.random.Generator) -> str:
    """Write a plot: a sentence for each genre and meaningless ones, in any order."""
    told = [_sentence("told", genre, rng) for genre in genres]
    for _ in range(SENTENCES - len(genres)):
        genre = pick(rng, TOLD)
        told.append(_sentence(pick(rng, MEANINGLESS), genre, rng))
    return " ".join(told[i] for i in rng.permutation(SENTENCES))


def _sentence(content: str, genre: str, rng: np.random.Generator) -> str:
    bound = {"content": content, "doing": f"{genre} doing", "thing": f"{genre} thing"}
    return GRAMMAR.expand("sentence", rng, **bound)


_FOLDER = "mmimdb/defaults"
DATA_SET = DataSet(
    name="mmimdb",
    layout=Layout(
        annotations={
            split: [f"{_FOLDER}/annotations/{split}.jsonl"] for split in ("train", "dev", "test")
        },
        picture=f"{_FOLDER}/images/mmimdb/dataset/{{key}}.jpeg",
        features=f"{_FOLDER}/features/features.lmdb",
        key="{:07d}",
        words={
            f"{_FOLDER}/extras/vocab_mmimdb.txt": GRAMMAR.words(),
            f"{_FOLDER}/extras/classes_mm_imdb.txt": tuple(FREQUENCY),
        },
    ),
    draw_split=draw_split,
    corpus=corpus,
    vocabulary=GRAMMAR.words(),
)
