"""Checks the annotations of a data set: which files there are, their rows, their fields."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tqdm import tqdm

from refnet_mmf.experiments.mmf_zoo import default_annotations
from refnet_mmf.experiments.real_data.check_classes import check_classes
from refnet_mmf.experiments.real_data.description import AnnotationFile, DataSet, Sample
from refnet_mmf.experiments.real_data.findings import (
    ANNOTATIONS,
    MISSING,
    NOTE,
    OK,
    WRONG,
    Finding,
)
from refnet_mmf.experiments.real_data.json_rows import parse_object
from refnet_mmf.experiments.real_data.origin import Origin, describe


@dataclass
class Survey:
    """What is in a file of annotations.

    Attributes:
        rows: how many rows.
        read: how many of them have been read.
        sha256: hash of the file.
        labels: how often each label was read.
        unlabelled: how many rows were read that have none.
        samples: what the rows that were read point at, one for each picture.
        problem: the first thing that is wrong.
    """

    rows: int = 0
    read: int = 0
    sha256: str = ""
    labels: Counter[str] = field(default_factory=Counter)
    unlabelled: int = 0
    samples: dict[str, Sample] = field(default_factory=dict)
    problem: str = ""


def survey(file: Path, data_set: DataSet, limit: int | None) -> Survey:
    """Count the rows of a file; read the first ``limit`` (None: all), up to one that is wrong."""
    result = Survey()
    digest = sha256()
    with file.open("rb") as lines:
        for line in tqdm(lines, desc=file.name, unit="row", leave=False):
            digest.update(line)
            result.rows += 1
            if result.problem or (limit is not None and result.read >= limit and line.strip()):
                continue
            try:
                sample = _read_line(line, data_set)
            except ValueError as error:
                result.problem = f"{file}, line {result.rows}: {error}"
                continue
            result.read += 1
            result.samples.setdefault(sample.picture, sample)
            result.labels.update(sample.labels or ())
            result.unlabelled += sample.labels is None
    result.sha256 = digest.hexdigest()
    return result


def _read_line(line: bytes, data_set: DataSet) -> Sample:
    if not line.strip():
        raise ValueError("is empty, and MMF stops there")
    return data_set.read(parse_object(line))


def check_annotations(
    data_set: DataSet, datasets: Path, origin: Origin, limit: int | None
) -> tuple[list[Finding], dict[str, Sample]]:
    """Check all annotations.

    Args:
        data_set: what should be there.
        datasets: ``<env.data_dir>/datasets``.
        origin: where the files come from.
        limit: how many rows of each file to read; None: all.

    Returns:
        The findings, and what the rows that were read point at, one sample for each picture.
    """
    folder = datasets / data_set.annotations
    there = {
        name: survey(folder / name, data_set, limit)
        for name in data_set.files
        if (folder / name).is_file()
    }
    findings = _check_files(data_set, set(there))
    findings += [
        _check_file(name, data_set.files[name], found, data_set, origin)
        for name, found in there.items()
    ]
    labels: Counter[str] = Counter()
    samples: dict[str, Sample] = {}
    for found in there.values():
        labels += found.labels
        samples |= found.samples
    findings += check_classes(data_set, datasets, origin, labels)
    return findings, samples


def _check_files(data_set: DataSet, there: set[str]) -> list[Finding]:
    """Find which files are missing: one to train on, a pair to evaluate on, MMF's own choice."""
    needed = [name for name, file in data_set.files.items() if file.split == "train"]
    pairs = [pair for pair in data_set.evaluation if there.issuperset(pair)]
    if not pairs and len(data_set.evaluation) == 1:
        needed += data_set.evaluation[0]
    findings = [
        Finding(ANNOTATIONS, name, "-", describe_published(data_set.files[name]), MISSING)
        for name in needed
        if name not in there
    ]
    if len(data_set.evaluation) == 1:
        return findings
    choices = ", or ".join(" and ".join(pair) for pair in data_set.evaluation)
    if not pairs:
        findings.append(
            Finding(ANNOTATIONS, "to evaluate on", "-", "a pair", MISSING, f"expected {choices}")
        )
        return findings
    default = default_annotations(data_set.name)
    if default is not None:
        findings.append(_check_default(data_set, default, pairs))
    return findings


def _check_default(
    data_set: DataSet, default: tuple[str, str], pairs: list[tuple[str, str]]
) -> Finding:
    """Find whether the installed MMF evaluates on a pair that is there, or has to be told."""
    what, expected = "to evaluate on", " and ".join(Path(name).stem for name in default)
    if default in pairs:
        return Finding(ANNOTATIONS, what, expected, expected, OK, "")
    names = pairs[-1]
    overrides = " ".join(
        f"dataset_config.{data_set.name}.annotations.{split}[0]={data_set.annotations}/{name}"
        for split, name in zip(("val", "test"), names, strict=True)
    )
    found = " and ".join(Path(name).stem for name in names)
    detail = f"the MMF that is installed reads {expected} unless told otherwise: {overrides}"
    return Finding(ANNOTATIONS, what, found, expected, NOTE, detail)


def describe_published(file: AnnotationFile) -> str:
    """Word the number of rows that are published."""
    return describe(tuple(range(rows, rows + 1) for rows in file.rows))


def _check_file(
    name: str, file: AnnotationFile, found: Survey, data_set: DataSet, origin: Origin
) -> Finding:
    allowed = origin.rows(data_set, file)
    counted = f"{found.rows:,} rows, "
    read = "all read" if found.read == found.rows else f"{found.read:,} of them read"
    problems = [found.problem] if found.problem else []
    if not any(found.rows in numbers for numbers in allowed):
        problems.append(f"{name}: {found.rows:,} rows, where {describe(allowed)} are expected")
    if origin.sha256(file) not in (None, found.sha256):
        problems.append(f"{name}: is not the file that was generated: its SHA-256 differs")
    if found.unlabelled and (file.split != "test" or found.labels):
        problems.append(f"{name}: {found.unlabelled:,} of {found.read:,} rows have no label")
    verdict = WRONG if problems else OK
    return Finding(
        ANNOTATIONS, name, counted + read, describe(allowed), verdict, "; ".join(problems)
    )
