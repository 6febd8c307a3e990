"""The marks by which MMF knows that a data set is there, and downloads nothing."""

from __future__ import annotations

from pathlib import Path

from refnet_mmf.experiments.mmf_zoo import mark_folder


def mark_as_built(datasets: Path) -> None:
    """Mark all data sets of a folder as complete for the MMF that is installed.

    The two lines of MMF state different versions, and take a folder with the other's for absent.

    Args:
        datasets: ``<env.data_dir>/datasets``; ``<name>/defaults`` in it, and each part of that,
            gets the version of ``<name>`` in MMF's zoo. Empty parts, which MMF makes in passing,
            get none.
    """
    for folder in datasets.glob("*/defaults"):
        parts = [path for path in folder.iterdir() if path.is_dir() and any(path.iterdir())]
        for part in (folder, *parts):
            mark_folder(part, folder.parent.name)
