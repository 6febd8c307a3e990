"""Checks a data set's files before a run: class file, annotations, features and pictures.

What this finds, MMF meets late or not at all: labels outside the class file are dropped without a
word; a movie without genres stops the loader for ever; a missing label, feature or picture ends
the run in a traceback when its batch comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmf.datasets.databases.annotation_database import AnnotationDatabase
from omegaconf import DictConfig

from refnet_mmf.core.messages import unknown
from refnet_mmf.plugin.annotation_fields import (
    ENTAILMENT_CLASSES,
    FIELDS,
    RARE_GENRES,
    Row,
    RowCheck,
    check_genres,
    fields_check,
    missing_field,
)
from refnet_mmf.plugin.class_count import check_class_count
from refnet_mmf.plugin.class_files import check_class_files, class_file, dataset_names
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.feature_width import check_feature_width
from refnet_mmf.plugin.labelled_samples import read_ids
from refnet_mmf.plugin.picture_check import paths_of, picture_check
from refnet_mmf.plugin.regime import Regime, read_regime

SPLITS = ("train", "val", "test")

LabelReader = Callable[[Row, str], bool]
"""Tells of a row, and of its file and line (``train.jsonl:17``), whether its label is read."""


def check_data(config: DictConfig, *, labelled: bool = True) -> None:
    """Check the files of a run's data sets: that all are there, and each row that the run uses.

    Args:
        config: MMF's complete configuration.
        labelled: the run reads labels, where its regime does.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    check_class_files(config)
    regime = read_regime(config)
    for name in dataset_names(config):
        section = config.get("dataset_config", {}).get(name)
        if section is None:
            continue
        files = {split: paths_of(section, "annotations", split) for split in SPLITS}
        for split in SPLITS:  # MMF opens them all, whatever the run is for
            for path in files[split]:
                if not Path(path).exists():
                    raise RefnetError(
                        f"dataset_config.{name}.annotations.{split}: no such file: {path} "
                        f"('refnet data make {name} --size mini --out DIR' makes a miniature set)"
                    )
        if name in FIELDS:
            _check_booleans(name, section)
            _check_sizes(name, section)
            if labelled and not regime.pretrain:
                check_class_count(config, name, section)
            for split in used_splits(str(config.get("run_type", "train"))):
                reads_label = _no_label if not labelled else _label_reader(regime, config, split)
                if not files[split]:
                    raise RefnetError(
                        f"dataset_config.{name}.annotations.{split}: expected a list of files, and "
                        f"run_type={config.run_type} needs some"
                    )
                for index, path in enumerate(files[split]):
                    check_annotations(Path(path), name, section, split, index, reads_label)
                if section.get("use_features", False):
                    for path in paths_of(section, "features", split)[:1]:
                        check_feature_width(config, path.split(",")[0])


def _every_label(row: Row, place: str) -> bool:
    return True


def _no_label(row: Row, place: str) -> bool:
    return False


def _label_reader(regime: Regime, config: DictConfig, split: str) -> LabelReader:
    """Return what tells whether a run reads the label of a row of a split."""
    if regime.pretrain or (split == "test" and _predicts(config)):
        return _no_label
    if split != "train" or regime.labels.ids_file is None:
        return _every_label
    ids = frozenset(read_ids(Path(regime.labels.ids_file)))
    return lambda row, place: str(row.get("id")) in ids or place in ids


def _predicts(config: DictConfig) -> bool:
    """Tell whether a run writes predictions of the test split, for which it needs no labels."""
    predict = config.get("evaluation", {}).get("predict", False)
    return bool(predict) or "predict" in str(config.get("run_type", ""))


def used_splits(run_type: str) -> list[str]:
    """Return the splits that MMF goes through in a run of ``run_type``; training validates too."""
    used = {
        "train": "train" in run_type,
        "val": "train" in run_type or "val" in run_type,
        "test": any(word in run_type for word in ("inference", "test", "predict")),
    }
    return [split for split in SPLITS if used[split]]


def check_annotations(
    file: Path,
    name: str,
    section: DictConfig,
    split: str,
    index: int = 0,
    reads_label: LabelReader = _every_label,
) -> None:
    """Check each row of an annotation file, in one pass.

    Args:
        file: the annotations: ``.jsonl``, or another of MMF's formats.
        name: the data set, a key of `FIELDS`.
        section: its block of ``dataset_config``.
        split: what the file is for.
        index: which of the split's annotation files it is.
        reads_label: tells whether the run reads a row's label.

    Raises:
        RefnetError: file, line and value of the first row that is wrong.
    """
    checks = [fields_check(name), picture_check(name, section, split, index)]
    check_label = label_check(name, section, split)
    unit = "line" if file.suffix == ".jsonl" else "row"
    number = 0
    for number, row in _rows(file, section):
        try:
            for check in checks:
                check(row)
            if reads_label(row, f"{file.name}:{number}"):
                check_label(row)
        except ValueError as error:
            raise RefnetError(f"{file}, {unit} {number}: {error}") from None
    if number == 0:
        raise RefnetError(f"{file}: has no rows, and the {split} split needs some")


def label_check(name: str, section: DictConfig, split: str) -> RowCheck:
    """Return the check that a row has a label, of the data set's classes.

    Raises:
        RefnetError: the class file is not there, or wrong.
    """
    fields = FIELDS[name]
    if section.get("fg_dataset_type", None):
        return lambda row: None  # the fine-grained memes take their labels from other fields
    check_label = LABEL_CHECKS[name](section)

    def check(row: Row) -> None:
        if fields.label not in row:
            hint = "; run_type=train_val leaves it out" if split == "test" else ""
            raise ValueError(
                f"{missing_field(fields.label, row)}; the {split} split needs labels{hint}"
            )
        check_label(row[fields.label])

    return check


def _check_meme(label: Any) -> None:
    if isinstance(label, str) or label not in (0, 1):
        kind = " (a string: write it without quotes)" if label in ("0", "1") else ""
        raise ValueError(f"label: expected 0 or 1, got {label!r}{kind}")


def _check_entailment(label: Any) -> None:
    if label not in ENTAILMENT_CLASSES:
        raise ValueError(unknown("gold_label", "class", label, ENTAILMENT_CLASSES))


def _genre_check(section: DictConfig) -> Callable[[Any], None]:
    file = class_file(section)
    if file is None:
        return lambda genres: None
    classes = file.read()
    known: set[str] = set()  # as the rows spell them

    def check(genres: Any) -> None:
        check_genres(genres)
        for genre in genres:
            if genre not in known:
                processed = file.process(genre)
                if processed not in classes and processed not in RARE_GENRES:
                    raise ValueError(unknown("genres", "genre", processed, classes))
                known.add(genre)

    return check


LABEL_CHECKS: dict[str, Callable[[DictConfig], Callable[[Any], None]]] = {
    "hateful_memes": lambda section: _check_meme,
    "mmimdb": _genre_check,
    "visual_entailment": lambda section: _check_entailment,
}
"""By data set, what makes the check of a label from the set's block of ``dataset_config``."""


def _rows(file: Path, section: DictConfig) -> Iterator[tuple[int, Row]]:
    """Yield each row of an annotation file and its number, from 1."""
    if file.suffix != ".jsonl":
        database = AnnotationDatabase(section, str(file))
        yield from ((number + 1, database[number]) for number in range(len(database)))
        return
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise RefnetError(f"{file}, line {number}: not UTF-8 text: {error}") from None
            except (json.JSONDecodeError, RecursionError) as error:
                raise RefnetError(f"{file}, line {number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise RefnetError(f"{file}, line {number}: expected an object, got {row!r:.40}")
            yield number, row


def _check_sizes(name: str, section: DictConfig) -> None:
    """Refuse sizes below which MMF's data set fails in its first batch."""
    text = (section.get("processors", None) or {}).get("text_processor", None) or {}
    params = text.get("params", None) or {}
    for place, block, key, least in (
        ("", section, "max_features", 1),
        ("processors.text_processor.params.", params, "max_seq_length", 3),
    ):
        value = block.get(key, None)
        if value is not None and (not isinstance(value, int) or value < least):
            raise RefnetError(
                f"dataset_config.{name}.{place}{key}: expected a whole number from {least}, got "
                f"{value!r}"
            )


def _check_booleans(name: str, section: DictConfig) -> None:
    """Refuse a lower-case boolean of the command line, which MMF reads as a string."""
    for key in ("use_features", "use_images"):
        value = section.get(key, False)
        if not isinstance(value, bool):
            raise RefnetError(
                f"dataset_config.{name}.{key}: expected a boolean, got {value!r} "
                "(on the command line write True or False, in YAML true or false)"
            )
