"""The miniature movies: each genre shows where it should, and nowhere else."""

from collections import Counter

import pytest

from refnet_mmf.experiments.miniature.mmimdb import (
    COLOUR_OF,
    DATA_SET,
    FREQUENCY,
    GRAMMAR,
    IN_PLOT,
    IN_POSTER,
    KIND_OF,
    TOLD,
    draw_split,
)
from refnet_mmf.experiments.miniature.pictures import COLOURS, OUTLINES

MOVIES = draw_split(0, "train", 3000)


def genres_on(poster) -> set[str]:
    looks = {look for shape in poster.shapes for look in (shape.kind, shape.colour)}
    return {genre for genre, look in {**KIND_OF, **COLOUR_OF}.items() if look in looks}


def words_for(genre: str) -> list[str]:
    return [text for kind in ("doing", "thing") for text in GRAMMAR.rules[f"{genre} {kind}"]]


def names(sentence: str, genre: str) -> bool:
    return any(f" {words} " in f" {sentence} " for words in words_for(genre))


def test_what_a_genre_looks_like_is_a_look_of_its_own():
    assert set(KIND_OF.values()) < set(OUTLINES) and set(COLOUR_OF.values()) < set(COLOURS)
    assert len(set(KIND_OF.values())) + len(set(COLOUR_OF.values())) == 8
    assert set(KIND_OF) | set(COLOUR_OF) | set(IN_PLOT) == set(FREQUENCY)
    assert set(IN_PLOT).isdisjoint({*KIND_OF, *COLOUR_OF})


def test_a_poster_shows_its_genres_and_no_other():
    for movie in MOVIES:
        assert genres_on(movie.scene) == set(movie.in_poster)
        places = {(shape.row, shape.column) for shape in movie.scene.shapes}
        assert len(movie.scene.shapes) == len(places) == 2


def test_a_plot_tells_its_genres_in_a_sentence_each():
    denials = tuple(text.split("{")[0] for text in GRAMMAR.rules["denied"])
    for movie in MOVIES:
        sentences = movie.plot.removesuffix(" .").split(" . ")
        assert len(sentences) == 3
        told = [
            genre
            for sentence in sentences
            for genre in TOLD
            if names(sentence, genre) and not sentence.startswith(denials)
        ]
        assert sorted(told) == sorted(movie.in_plot)


def test_genres_are_told_by_the_poster_by_the_plot_or_by_either():
    for movie in MOVIES:
        assert set(movie.in_poster) | set(movie.in_plot) == set(movie.genres)
    where = {
        genre: Counter(
            (genre in movie.in_poster, genre in movie.in_plot)
            for movie in MOVIES
            if genre in movie.genres
        )
        for genre in FREQUENCY
    }
    assert all(set(where[genre]) == {(True, False)} for genre in IN_POSTER)
    assert all(set(where[genre]) == {(False, True)} for genre in IN_PLOT)
    for genre in set(FREQUENCY) - {*IN_POSTER, *IN_PLOT}:
        assert set(where[genre]) == {(True, False), (False, True), (True, True)}
        assert min(where[genre].values()) > 0.2 * where[genre].total()


def test_movies_are_of_one_to_five_genres_some_rare_some_frequent():
    counts = Counter(genre for movie in MOVIES for genre in movie.genres)
    for genre, share in FREQUENCY.items():
        assert counts[genre] / len(MOVIES) == pytest.approx(share, abs=0.05)
    sizes = Counter(len(movie.genres) for movie in MOVIES)
    assert set(sizes) == {1, 2, 3, 4, 5}
    assert all(sizes[size] > 100 for size in (1, 2, 3, 4))


def test_a_plot_denies_genres_that_it_is_not_of():
    """So words alone mislead: a plot may hold a genre's without being of it."""
    misled = [
        genre
        for movie in MOVIES
        for genre in IN_PLOT
        if genre not in movie.genres and names(movie.plot, genre)
    ]
    assert 0.1 < len(misled) / len(MOVIES) < 0.3


def test_the_class_file_holds_the_genres_in_lower_case(movies):
    extras = movies / "datasets/mmimdb/defaults/extras"
    genres = (extras / "classes_mm_imdb.txt").read_text().splitlines()
    assert genres == list(FREQUENCY) == [genre.lower() for genre in FREQUENCY]
    assert len(genres) == 12 and "<unk>" not in genres
    assert (extras / "vocab_mmimdb.txt").read_text().splitlines() == DATA_SET.vocabulary
