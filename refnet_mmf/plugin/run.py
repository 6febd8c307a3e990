"""``refnet run ...``: MMF's own run, with the plugin loaded and everything checked first."""

from __future__ import annotations

import argparse
import os

from refnet_mmf import register
from refnet_mmf.paths import PACKAGE
from refnet_mmf.plugin.errors import mmf_errors_in_one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet run``: those of ``mmf_run``."""
    parser.usage = "refnet run config=FILE model=NAME dataset=NAME [KEY=VALUE ...]"
    parser.description = (
        "MMF's mmf_run with the plugin loaded, where the whole command is checked before any "
        "training. config= may also be a path below the plugin's own projects/."
    )
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="as for mmf_run")


def run(args: argparse.Namespace) -> int:
    """Check the command, then train or evaluate; return the exit code."""
    place = os.environ.get("MMF_USER_DIR") or str(PACKAGE)
    register()
    from mmf_cli.run import run as mmf_run

    from refnet_mmf.plugin.command_check import check_command
    from refnet_mmf.plugin.user_models import absolute

    os.environ["MMF_USER_DIR"] = absolute(place)  # worker processes load the plugin by it

    with mmf_errors_in_one_line():
        mmf_run(check_command(args.options))
    return 0
