"""Checks the commands of a grid as ``refnet run`` does, before the first of them runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.runner import unfinished


def check_commands(jobs: Sequence[Job], *, with_data: bool) -> None:
    """Check the command of each kind of run that is still to do, and its data.

    Args:
        jobs: of whatever seeds; of each cell and data set the first is looked at.
        with_data: look at the data's files, too; False where they are still to be made, and then
            nothing is looked at where MMF is not installed.

    Raises:
        ValueError: one line for the first thing that is wrong.
    """
    kinds: dict[tuple[str, int], Job] = {}
    for job in unfinished(jobs):
        kinds.setdefault((job.cell.name, job.data_seed), job)
    if not kinds or not (with_data or importlib.util.find_spec("mmf")):
        return
    from refnet_mmf import register

    register()
    from refnet_mmf.plugin.command_check import check_command

    for job in kinds.values():
        check_command(job.run.options, with_data=with_data)
