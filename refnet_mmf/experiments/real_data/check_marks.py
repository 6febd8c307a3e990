"""Checks the marks by which MMF knows that it need not download what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from refnet_mmf.experiments.mmf_zoo import MARK, zoo_entry
from refnet_mmf.experiments.real_data.description import DataSet, Part, part_of
from refnet_mmf.experiments.real_data.findings import (
    ANNOTATIONS,
    FEATURES,
    OK,
    PICTURES,
    WRONG,
    Finding,
)
from refnet_mmf.experiments.real_data.part_marks import read_mark, wanted_parts


def marked_parts(data_set: DataSet) -> Mapping[str, Sequence[Part]]:
    """Return for annotations, pictures and features which parts the installed MMF wants marked."""
    own = part_of(data_set.annotations)
    pictures, features = part_of(data_set.pictures), part_of(data_set.features)
    always = [own, Part(own.zoo, "extras")]
    always += [Part(zoo, "annotations") for zoo in sorted({pictures.zoo, features.zoo} - {own.zoo})]
    return {
        ANNOTATIONS: wanted_parts(always),
        PICTURES: wanted_parts([pictures]),
        FEATURES: wanted_parts([features]),
    }


def check_marks(data_set: DataSet, datasets: Path, names: Sequence[str]) -> list[Finding]:
    """Compare the marks with the versions in MMF's zoo.

    Args:
        data_set: the data set.
        datasets: ``<env.data_dir>/datasets``.
        names: which of annotations, pictures and features are there.
    """
    findings = []
    parts = marked_parts(data_set)
    for name in names:
        for part in parts[name]:
            version, expected = read_mark(datasets, part), zoo_entry(part.zoo).version
            fits = version == expected
            findings.append(
                Finding(
                    name,
                    f"mark of {part.zoo}/{part.name}",
                    "-" if version is None else f"{version}",
                    f"{expected}",
                    OK if fits else WRONG,
                    "" if fits else _detail(datasets, part),
                )
            )
    return findings


def _detail(datasets: Path, part: Part) -> str:
    return (
        f"{datasets / part.marked_folder / MARK}: the MMF that is installed would download "
        f"{part.zoo}/{part.name} at the next run; 'refnet data check ... --mark' tells it not to"
    )
