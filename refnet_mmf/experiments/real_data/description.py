"""What a data set is to MMF: its files, how many rows are published, what MMF reads of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from refnet_mmf.plugin.annotation_fields import Row
from refnet_mmf.plugin.errors import RefnetError


class DataError(RefnetError):
    """Files that can't be used; the message says which and why, in one line."""


@dataclass(frozen=True)
class Sample:
    """What a row of annotations points at.

    Attributes:
        picture: its file, in the folder of the pictures.
        feature: its key in the lmdb of features.
        labels: None where the row has no label.
    """

    picture: str
    feature: str
    labels: tuple[str, ...] | None


@dataclass(frozen=True)
class AnnotationFile:
    """A file of annotations.

    Attributes:
        split: ``train``, ``dev`` or ``test``.
        rows: how many rows the published file has; more than one number where more than one
            version has been published under the name.
    """

    split: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class DataSet:
    """A data set, in the files that MMF's stock builder reads.

    Paths are relative to ``<env.data_dir>/datasets``, and of the form
    ``<name in MMF's zoo>/defaults/<part>/...``.

    Attributes:
        name: as in MMF.
        annotations: the folder of the annotations.
        files: the annotations, by file name.
        evaluation: files for validation and test that belong together; one pair is needed.
        pictures: the folder that a row's picture is looked up in.
        features: the lmdb of features.
        read: reads a row; raises ValueError for one that MMF can't use.
        fields: what ``read`` needs of a row, for messages.
        classes: the labels.
        class_file: the file that lists the labels, in lower case; None: MMF knows them.
        left_out: labels that stand in the published rows and are not learnt, on purpose.
        why_left_out: which rows a conversion leaves out.
        published_with_left_out: whether the published numbers of rows count those that a
            conversion leaves out.
        may_lack: how many rows a file may lack where it is not known what was left out.
        sources: for ``annotations``, ``pictures`` and ``features``, where they can be had and
            where they go; ``{datasets}`` stands for ``<env.data_dir>/datasets``.
    """

    name: str
    annotations: str
    files: Mapping[str, AnnotationFile]
    evaluation: tuple[tuple[str, str], ...]
    pictures: str
    features: str
    read: Callable[[Row], Sample]
    fields: str
    classes: tuple[str, ...]
    sources: Mapping[str, str]
    class_file: str | None = None
    left_out: frozenset[str] = field(default_factory=frozenset)
    why_left_out: str = ""
    published_with_left_out: bool = False
    may_lack: int = 0


@dataclass(frozen=True)
class Part:
    """A part of a data set of MMF's zoo, which MMF downloads as a whole.

    Attributes:
        zoo: the data set's name in the zoo.
        name: ``annotations``, ``images``, ``features`` or ``extras``.
    """

    zoo: str
    name: str

    @property
    def folder(self) -> str:
        """Its folder, relative to ``<env.data_dir>/datasets``."""
        return f"{self.zoo}/defaults/{self.name}"

    @property
    def marked_folder(self) -> str:
        """The folder that holds its mark: of the extras, the one above."""
        return f"{self.zoo}/defaults" if self.name == "extras" else self.folder


def part_of(path: str) -> Part:
    """Return the part that a path of a `DataSet` lies in."""
    zoo, _, part = PurePosixPath(path).parts[:3]
    return Part(zoo, part)


def text_field(row: Row, name: str) -> str:
    """Return a field that is a text with something in it.

    Raises:
        ValueError: it is missing, empty, or no text.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}: expected a text, {_got(row, name)}")
    return value


def list_field(row: Row, name: str) -> list[str]:
    """Return a field that is a list of texts, at least one.

    Raises:
        ValueError: it is missing, empty, or something else.
    """
    value = row.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ValueError(f"{name}: expected a list of texts, {_got(row, name)}")
    return value


def _got(row: Row, name: str) -> str:
    return f"got {row[name]!r:.80}" if name in row else "and there is no such field"
