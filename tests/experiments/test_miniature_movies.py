"""The miniature movies: genres that the poster, the plot or both tell, and nuisance in each."""

import json

from refnet_mmf.experiments.miniature.make import SIZES
from refnet_mmf.experiments.miniature.mmimdb import (
    COLOUR_OF,
    FREQUENCY,
    GRAMMAR,
    IN_PLOT,
    IN_POSTER,
    KIND_OF,
    corpus,
    draw_split,
)
from refnet_mmf.experiments.miniature.sentences import words_of


def shown(movie) -> set[str]:
    """Genres that the poster's shapes stand for."""
    kinds = {kind: genre for genre, kind in KIND_OF.items()}
    colours = {colour: genre for genre, colour in COLOUR_OF.items()}
    shapes = movie.scene.shapes
    return {kinds[s.kind] for s in shapes if s.kind in kinds} | {
        colours[s.colour] for s in shapes if s.colour in colours
    }


def test_a_poster_shows_what_it_tells_and_nothing_else():
    for movie in draw_split(0, "train", 600):
        assert shown(movie) == set(movie.in_poster)
        assert not set(movie.in_poster) & set(IN_PLOT)


def test_a_plot_has_words_of_what_it_tells():
    for movie in draw_split(0, "train", 600):
        assert not set(movie.in_plot) & set(IN_POSTER)
        for genre in movie.in_plot:
            words = GRAMMAR.rules[f"{genre} doing"] + GRAMMAR.rules[f"{genre} thing"]
            assert any(word in movie.plot for word in words), (genre, movie.plot)


def test_every_genre_is_told_by_a_half_and_each_way_occurs():
    movies = draw_split(0, "train", 3000)
    ways = {"poster": 0, "plot": 0, "both": 0}
    for movie in movies:
        poster, plot = set(movie.in_poster), set(movie.in_plot)
        assert poster | plot == set(movie.genres) != set()
        ways["both"] += len(poster & plot)
        ways["poster"] += len(poster - plot)
        ways["plot"] += len(plot - poster)
    assert min(ways.values()) > 300
    assert {genre for movie in movies for genre in movie.genres} == set(FREQUENCY)
    assert any(len(movie.genres) > 1 for movie in movies)


def test_words_of_a_genre_occur_where_it_is_denied():
    """A plot that names war is not always one of war."""
    movies = draw_split(0, "train", 3000)
    words = GRAMMAR.rules["war thing"]
    named = [movie for movie in movies if any(word in movie.plot for word in words)]
    assert 0.05 < sum("war" not in movie.genres for movie in named) / len(named) < 0.6


def test_a_seed_fixes_the_samples_and_the_vocabulary_is_complete():
    assert draw_split(0, "dev", 24) == draw_split(0, "dev", 24) != draw_split(1, "dev", 24)
    words = {*GRAMMAR.words(), "."}
    texts = [*corpus(0, 300), *(movie.plot for movie in draw_split(0, "train", 300))]
    assert {word for text in texts for word in words_of(text)} <= words


def test_the_class_file_and_the_rows_are_what_mmf_reads(movies):
    folder = movies / "datasets/mmimdb/defaults"
    classes = (folder / "extras/classes_mm_imdb.txt").read_text().splitlines()
    assert classes == list(FREQUENCY)
    for split, count in (("train", SIZES["tiny"].train), ("dev", 36), ("test", 36)):
        lines = (folder / "annotations" / f"{split}.jsonl").read_text().splitlines()
        assert len(lines) == count
        for row in map(json.loads, lines):
            assert set(row["genres"]) <= set(classes)
            assert (folder / "images/mmimdb/dataset" / row["img"]).is_file()
