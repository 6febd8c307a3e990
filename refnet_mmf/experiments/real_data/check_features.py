"""Checks the lmdb of features: that it has the pictures that rows name, in the right form."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from refnet_mmf.experiments.real_data.description import DataSet, Sample
from refnet_mmf.experiments.real_data.findings import FEATURES, MISSING, NOTE, WRONG, Finding
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.feature_lmdb import FeatureLmdb, open_features

WIDTH = 2048
"""Of the features that MMF publishes."""


def check_features(
    data_set: DataSet, datasets: Path, samples: Collection[Sample], width: int | None = WIDTH
) -> list[Finding]:
    """Read the features of ``samples``.

    Args:
        data_set: the data set.
        datasets: ``<env.data_dir>/datasets``.
        samples: what rows point at.
        width: that the features must have; None: any, if it is the same for all.
    """
    file = datasets / data_set.features
    expected = f"{len(samples):,} named, width {width or 'any'}"
    if not file.exists():
        return [Finding(FEATURES, file.name, "-", expected, MISSING)]
    try:
        with open_features(file) as store:
            found = _read(store, samples, width)
    except RefnetError as error:
        return [Finding(FEATURES, file.name, "broken", expected, WRONG, str(error))]
    if found.problem:
        detail = f"{file}: {found.problem}"
        return [Finding(FEATURES, file.name, str(found), expected, WRONG, detail)]
    if found.lacking:
        detail = f"{file}: without {', '.join(sorted(found.lacking))}, which e.g. ViLBERT needs"
        return [Finding(FEATURES, file.name, str(found), expected, NOTE, detail)]
    return [Finding(FEATURES, file.name, str(found), expected)]


@dataclass
class _Found:
    """What was read, and the first thing that is wrong."""

    read: int = 0
    regions: set[int] = field(default_factory=set)
    lacking: set[str] = field(default_factory=set)
    problem: str = ""

    def __str__(self) -> str:
        told = f"{self.read:,} can be read"
        if not self.regions:
            return told
        least, most = min(self.regions), max(self.regions)
        return f"{told}, {least} regions" if least == most else f"{told}, {least}-{most} regions"


def _read(store: FeatureLmdb, samples: Collection[Sample], width: int | None) -> _Found:
    found = _Found()
    keys = {sample.feature: store.key_of(sample.feature) for sample in samples}
    missing = [feature for feature, key in keys.items() if key is None]
    if missing:
        found.problem = f"{len(missing):,} are missing; the first: {missing[0]}"
    for feature, key in tqdm(keys.items(), desc="features", unit="picture", leave=False):
        if key is None:
            continue
        try:
            record = store.record(key)
        except ValueError as error:
            found.problem = found.problem or f"{feature}: {error}"
            continue
        found.read += 1
        found.regions.add(len(record.features))
        found.lacking.update(record.lacking)
        width = width or record.features.shape[1]
        if record.features.shape[1] != width:
            its = record.features.shape[1]
            found.problem = found.problem or f"{feature}: its width is {its}, not {width}"
    return found
