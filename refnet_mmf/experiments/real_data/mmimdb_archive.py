"""MM-IMDB as it is published: ``split.json``, and a ``.json`` and a ``.jpeg`` for each movie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.real_data.description import DataError, list_field
from refnet_mmf.experiments.real_data.json_rows import read_object
from refnet_mmf.experiments.real_data.mmimdb import GENRES
from refnet_mmf.experiments.real_data.raw_folder import RawFolder, hidden, open_raw
from refnet_mmf.plugin.annotation_fields import RARE_GENRES, Row, check_characters

SPLIT_FILE = "split.json"
MOVIES = "dataset"
SPLITS = ("train", "dev", "test")


class MovieArchive:
    """The opened archive."""

    def __init__(self, folder: RawFolder) -> None:
        self.name = folder.name
        self._folder = folder
        self._splits = read_splits(folder)
        self._rare: Counter[str] = Counter()

    def count(self, split: str) -> int:
        """Return how many movies a split has."""
        return len(self._splits[split])

    def rows(self, split: str) -> Iterator[dict[str, Any] | None]:
        """Yield a split's rows, None for a movie that has none of the 23 genres."""
        for movie in self._splits[split]:
            relative = f"{MOVIES}/{movie}.json"
            file = self._folder.find(relative)
            if file is None:
                raise DataError(
                    f"{self.name}: {SPLIT_FILE} names {movie} ({split}), and {relative} is missing"
                )
            place = self._folder.place(relative)
            raw = read_object(file, place)
            try:
                row = convert_movie(movie, raw)
            except ValueError as error:
                raise DataError(f"{place}: {error}") from None
            self._rare.update(genre.lower() for genre in raw["genres"])
            yield row

    def picture(self, name: str) -> Path | None:
        """Return the file of a poster."""
        return self._folder.find(f"{MOVIES}/{name}")

    def notes(self) -> list[str]:
        """Say how often the genres that are no classes were found."""
        counts = ", ".join(f"{genre} {self._rare[genre]}" for genre in RARE_GENRES)
        return [
            f"{len(GENRES)} of the archive's {len(GENRES) + len(RARE_GENRES)} genres are classes, "
            f"as in the literature; dropped from their movies: {counts}"
        ]


def open_archive(raw: Path, scratch: Path, pictures: bool) -> MovieArchive:
    """Open ``mmimdb.tar.gz``, or the folder that it unpacks to.

    Raises:
        DataError: it is neither, or its ``split.json`` is missing or wrong.
    """

    def wanted(path: PurePosixPath) -> bool:
        of_movie = path.parent.name == MOVIES and (
            path.suffix == ".json" or (pictures and path.suffix == ".jpeg")
        )
        return not hidden(path.name) and (of_movie or path.name == SPLIT_FILE)

    folder = open_raw(raw, scratch, wanted)
    return MovieArchive(folder.where(lambda path: (path / SPLIT_FILE).exists()))


def read_splits(folder: RawFolder) -> dict[str, list[str]]:
    """Read which movies are in which split.

    Raises:
        DataError: the file is missing, or names something that is no movie, or one twice.
    """
    file = folder.find(SPLIT_FILE)
    if file is None:
        raise DataError(
            f"{folder.name}: holds no {SPLIT_FILE}; expected mmimdb.tar.gz, or the folder mmimdb "
            f"that it unpacks to, with {SPLIT_FILE}, {MOVIES}/<id>.json and {MOVIES}/<id>.jpeg"
        )
    place = folder.place(SPLIT_FILE)
    splits = read_object(file, place)
    split_of: dict[str, str] = {}
    for split in SPLITS:
        if not isinstance(splits.get(split), list):
            raise DataError(f"{place}: expected the lists train, dev and test; {split} is none")
        for movie in splits[split]:
            if not isinstance(movie, str) or not re.fullmatch(r"[0-9A-Za-z]+", movie):
                raise DataError(f"{place}: {split} names {movie!r:.80}, which is no movie's number")
            if movie in split_of:
                raise DataError(f"{place}: {movie} is in {split_of[movie]} and in {split}")
            split_of[movie] = split
    return {split: splits[split] for split in SPLITS}


def convert_movie(movie: str, raw: Row) -> dict[str, Any] | None:
    """Convert what is known of a movie into a row of annotations.

    Args:
        movie: its number.
        raw: its ``.json`` of the archive; its plots and genres count.

    Returns:
        The row; None if the movie has none of the 23 genres.

    Raises:
        ValueError: it has no plot, or a genre that is none of the archive's 27.
    """
    plots = [plot for plot in list_field(raw, "plot") if plot.strip()]
    if not plots:
        raise ValueError(f"plot: expected a text, got {raw['plot']!r:.80}")
    for plot in plots:
        check_characters("plot", plot)
    genres = [genre.lower() for genre in list_field(raw, "genres")]
    for genre in genres:
        if genre not in GENRES and genre not in RARE_GENRES:
            raise ValueError(unknown("genres", "genre", genre, (*GENRES, *RARE_GENRES)))
    classes = [genre for genre in dict.fromkeys(genres) if genre in GENRES]
    if not classes:
        return None
    return {
        "image_id": movie,
        "img": f"{movie}.jpeg",
        "feature_path": f"{movie}.npy",
        "plot": plots,
        "genres": classes,
    }
