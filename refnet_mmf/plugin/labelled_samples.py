"""Which samples of a training set are used with their labels: ``refnet.labels``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from refnet_mmf.core.messages import did_you_mean, near_file, nearest
from refnet_mmf.core.sample_choice import choose_fraction
from refnet_mmf.plugin.atomic_file import write_atomically
from refnet_mmf.plugin.dataset_rows import sample_ids, strata
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.regime import LabelSettings


def choose_labelled(dataset: Any, settings: LabelSettings) -> list[int]:
    """Return the positions of the labelled samples of a training set, in ascending order.

    Args:
        dataset: the training set, as the stock builder gives it.
        settings: the block ``refnet.labels``.

    Raises:
        RefnetError: the ids file is not there, is empty, or names a sample that there is not.
    """
    ids = sample_ids(dataset)
    if settings.ids_file is not None:
        return _positions(read_ids(Path(settings.ids_file)), ids, settings.ids_file)
    groups = strata(dataset) if settings.stratified else None
    return choose_fraction(ids, settings.fraction, settings.seed, groups)


def read_ids(file: Path) -> list[str]:
    """Return the ids in a file, one a line.

    Raises:
        RefnetError: there is no such file, or no id in it.
    """
    if not file.is_file():
        raise RefnetError(f"refnet.labels.ids_file: no such file: {file}{near_file(file)}")
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RefnetError(f"refnet.labels.ids_file: {file}: not a text file ({error})") from None
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise RefnetError(f"refnet.labels.ids_file: {file}: names no sample")
    return ids


def write_ids(ids: Sequence[str], file: Path) -> None:
    """Write ids to a file that `read_ids` reads."""
    write_atomically("".join(f"{name}\n" for name in ids), file)


def _positions(chosen: Sequence[str], ids: Sequence[str], file: str) -> list[int]:
    position_of = {name: position for position, name in enumerate(ids)}
    for name in chosen:
        if name not in position_of:
            guess = nearest(name, ids)
            hint = did_you_mean(guess)
            raise RefnetError(
                f"refnet.labels.ids_file: {file}: no training sample has the id {name!r}{hint}"
            )
    return sorted({position_of[name] for name in chosen})
