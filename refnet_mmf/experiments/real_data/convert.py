"""Brings a data set as it is published into the files that MMF reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from refnet_mmf.experiments.real_data.description import DataError, DataSet, Part, Sample, part_of
from refnet_mmf.experiments.real_data.entailment_files import open_files
from refnet_mmf.experiments.real_data.feature_source import place_features
from refnet_mmf.experiments.real_data.mmimdb_archive import open_archive
from refnet_mmf.experiments.real_data.origin import RECORD, write_record
from refnet_mmf.experiments.real_data.part_marks import wanted_parts, write_mark
from refnet_mmf.experiments.real_data.source import Source
from refnet_mmf.experiments.real_data.staging import (
    Staging,
    check_inside,
    is_there,
    staging,
)
from refnet_mmf.plugin.feature_lmdb import open_features
from refnet_mmf.plugin.link_or_copy import link_or_copy


@dataclass(frozen=True)
class Request:
    """What to convert.

    Attributes:
        data_set: one of those in `OPENERS`.
        raw: as it is published, a folder or an archive.
        data_dir: the value for MMF's ``env.data_dir``.
        pictures: where the pictures are, if not in ``raw``.
        with_pictures: whether to put the pictures in place.
        features: an lmdb of features, or an archive of one; None: no features.
    """

    data_set: DataSet
    raw: Path
    data_dir: Path
    pictures: Path | None = None
    with_pictures: bool = True
    features: Path | None = None


OPENERS: Mapping[str, Callable[[Request, Path, bool], Source]] = {
    "mmimdb": lambda request, scratch, with_pictures: open_archive(
        request.raw, scratch, with_pictures
    ),
    "visual_entailment": lambda request, scratch, with_pictures: open_files(
        request.raw, request.pictures, scratch, with_pictures
    ),
}
"""The data sets whose published form is known; MMF itself converts Hateful Memes."""


@dataclass
class Report:
    """What was done.

    Attributes:
        rows: by split.
        left_out: rows that were left out, by split.
        parts: for each part, by its folder, what was done.
        notes: what was done to the rows.
    """

    rows: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def convert(request: Request) -> Report:
    """Convert a data set.

    All is made in a temporary folder below ``data_dir``; each part of the set is put in place
    whole, with its mark, the annotations last. A part that is there is kept as it is, if it serves
    the rows.

    Raises:
        RefnetError: what was given can't be used, or what is there does not serve; then nothing
            has been put in place.
        OSError: a file could not be read or written.
    """
    data_set, data_dir = request.data_set, request.data_dir
    report = Report()
    parts, others = _parts(request), wanted_parts(_empty_parts(data_set))
    for part in (*parts, *others):
        check_inside(data_dir, part)
    missing = [part for part in parts if not is_there(data_dir, part)]
    _check_kept(data_set, data_dir / "datasets", [part for part in parts if part not in missing])
    report.parts = {part.folder: "already there, kept" for part in parts}
    if missing:
        with staging(data_dir) as stage:
            _make(request, missing, stage, report)
            for part in wanted_parts(missing):
                write_mark(stage.made, part)
            for part in missing:
                stage.put(part)
    for part in others:
        write_mark(data_dir / "datasets", part)
    return report


def _check_kept(data_set: DataSet, datasets: Path, kept: Sequence[Part]) -> None:
    """Check that parts that are there have the files that they are named for."""
    needed = [f"{data_set.annotations}/{name}" for name in data_set.files]
    needed += [data_set.class_file] if data_set.class_file is not None else []
    for path in needed:
        part = part_of(path)
        if part in kept and not (datasets / path).is_file():
            raise DataError(
                f"{datasets / part.folder}: holds other files, and no {Path(path).name}; "
                "move them away, or name another --out"
            )


def _parts(request: Request) -> list[Part]:
    """List the parts to be there at the end, the annotations last."""
    data_set = request.data_set
    parts = []
    if request.with_pictures:
        parts.append(part_of(data_set.pictures))
    if request.features is not None:
        parts.append(part_of(data_set.features))
    if data_set.class_file is not None:
        parts.append(part_of(data_set.class_file))
    return [*parts, part_of(data_set.annotations)]


def _empty_parts(data_set: DataSet) -> list[Part]:
    """List parts that are marked and hold nothing, as no model of either line needs them.

    They are word lists for GloVe vectors, and (on MMF's main line) lists of Flickr30k's splits.
    """
    own = part_of(data_set.annotations).zoo
    others = {part_of(path).zoo for path in (data_set.pictures, data_set.features)} - {own}
    return [Part(own, "extras"), *(Part(zoo, "annotations") for zoo in sorted(others))]


def _make(request: Request, missing: list[Part], stage: Staging, report: Report) -> None:
    """Make the missing parts; check that those that are there serve the rows."""
    data_set = request.data_set
    pictures, features = part_of(data_set.pictures), part_of(data_set.features)
    source = OPENERS[data_set.name](request, stage.scratch / "raw", pictures in missing)
    samples = _write_annotations(data_set, source, stage, report)
    if pictures in missing:
        report.parts[pictures.folder] = _write_pictures(data_set, source, samples, stage)
    elif request.with_pictures:
        _check_pictures(request.data_dir / "datasets" / data_set.pictures, samples)
    if request.features is not None:
        lmdb = request.data_dir / "datasets" / data_set.features
        if features in missing:
            lmdb = stage.fresh(data_set.features)
            place_features(request.features, stage.scratch / "features", lmdb)
            report.parts[features.folder] = "written"
        _check_features(lmdb, request.features, samples)
    annotations = part_of(data_set.annotations)
    if annotations in missing:
        report.parts[annotations.folder] = "written"
    if data_set.class_file is not None and part_of(data_set.class_file) in missing:
        classes = "".join(f"{name}\n" for name in data_set.classes)
        stage.fresh(data_set.class_file).write_text(classes, encoding="utf-8")
        said = f"written, {len(data_set.classes)} classes"
        report.parts[part_of(data_set.class_file).folder] = said


def _write_annotations(
    data_set: DataSet, source: Source, stage: Staging, report: Report
) -> dict[str, Sample]:
    """Write the rows of all splits; return what they point at, one sample for each picture."""
    samples: dict[str, Sample] = {}
    for name, file in data_set.files.items():
        split = file.split
        target = stage.fresh(f"{data_set.annotations}/{name}")
        report.rows[split] = report.left_out[split] = 0
        with target.open("w", encoding="utf-8") as lines:
            for row in _progress(source, split):
                if row is None:
                    report.left_out[split] += 1
                    continue
                sample = data_set.read(row)
                samples.setdefault(sample.picture, sample)
                lines.write(f"{json.dumps(row)}\n")
                report.rows[split] += 1
        if not report.rows[split]:
            raise DataError(f"{source.name}: the split {split} has no rows")
    report.notes = source.notes()
    write_record(
        stage.fresh(f"{data_set.annotations}/{RECORD}"), source.name, report.rows, report.left_out
    )
    return samples


def _progress(source: Source, split: str) -> Iterator[dict[str, Any] | None]:
    return iter(tqdm(source.rows(split), desc=split, total=source.count(split), unit="row"))


def _write_pictures(
    data_set: DataSet, source: Source, samples: dict[str, Sample], stage: Staging
) -> str:
    missing = []
    linked = 0
    folder = stage.fresh(data_set.pictures)
    folder.mkdir()
    for name in tqdm(samples, desc="pictures", unit="picture"):
        file = source.picture(name)
        if file is None:
            missing.append(name)
        elif not missing:
            linked += link_or_copy(file, folder / name)
    if missing:
        raise DataError(f"{source.name}: {_some(missing, 'picture')}")
    return f"written, {len(samples):,} pictures ({linked:,} of them hard links)"


def _check_pictures(folder: Path, samples: dict[str, Sample]) -> None:
    missing = [name for name in samples if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder}: is there, and {_some(missing, 'picture')}")


def _check_features(lmdb: Path, source: Path, samples: dict[str, Sample]) -> None:
    with open_features(lmdb, name=source) as store:
        keys = {sample.feature: store.key_of(sample.feature) for sample in samples.values()}
        missing = [feature for feature, key in keys.items() if key is None]
        if missing:
            raise DataError(f"{source}: {_some(missing, 'feature')}")
        first, key = next(iter(keys.items()))
        assert key is not None
        try:
            store.record(key)
        except ValueError as error:
            raise DataError(f"{source}: {first}: {error}") from None


def _some(missing: list[str], what: str) -> str:
    more = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
    return f"the {what} {missing[0]} is missing{more}, which the rows name"
