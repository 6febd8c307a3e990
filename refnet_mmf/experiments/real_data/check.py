"""Checks the files of a data set, real or miniature: whether a run can start from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from refnet_mmf.experiments.real_data.check_annotations import check_annotations
from refnet_mmf.experiments.real_data.check_features import WIDTH, check_features
from refnet_mmf.experiments.real_data.check_marks import check_marks, marked_parts
from refnet_mmf.experiments.real_data.check_pictures import check_pictures
from refnet_mmf.experiments.real_data.description import DataError, DataSet
from refnet_mmf.experiments.real_data.findings import (
    ANNOTATIONS,
    INPUTS,
    MISSING,
    Finding,
    is_fit,
)
from refnet_mmf.experiments.real_data.origin import Origin, origin_of
from refnet_mmf.experiments.real_data.part_marks import write_mark

FIRST = 100
"""How many rows of each file are read, unless all are asked for."""


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes:
        origin: where the files come from.
        findings: annotations, then pictures, then features.
    """

    origin: Origin
    findings: list[Finding]


def check(
    data_set: DataSet,
    data_dir: Path,
    *,
    everything: bool = False,
    mark: bool = False,
    own: bool = False,
) -> Check:
    """Check a data set.

    Args:
        data_set: what should be there.
        data_dir: MMF's ``env.data_dir``.
        everything: read every row, picture and feature, in place of the first ones.
        mark: mark what is fit as complete for the MMF that is installed.
        own: it is another data set in the same form.

    Raises:
        DataError: there is no such folder, or it holds the miniature set of another name.
    """
    if not data_dir.is_dir():
        raise DataError(f"{data_dir}: no such folder")
    origin = Origin(own=True) if own else origin_of(data_set, data_dir)
    datasets = data_dir / "datasets"
    annotations, samples = check_annotations(
        data_set, datasets, origin, None if everything else FIRST
    )
    width = WIDTH if origin.published else None
    findings = [
        *annotations,
        *check_pictures(data_set, datasets, samples.values()),
        *check_features(data_set, datasets, samples.values(), width),
    ]
    if mark:
        for name, parts in marked_parts(data_set).items():
            if is_fit(findings, name):
                for part in parts:
                    write_mark(datasets, part)
    there = [
        name
        for name in (ANNOTATIONS, *INPUTS)
        if not any(f.part == name and f.verdict == MISSING for f in findings)
    ]
    return Check(origin, [*findings, *check_marks(data_set, datasets, there)])
