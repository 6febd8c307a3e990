"""``refnet data``: data sets in the files that MMF reads: made, converted, checked."""

from __future__ import annotations

import argparse

from refnet_mmf.experiments.miniature import command as make_command
from refnet_mmf.experiments.real_data import check_command, convert_command

ACTIONS = {
    "make": (make_command, "make a miniature data set"),
    "convert": (convert_command, "bring a data set as it is published into MMF's files"),
    "check": (check_command, "tell whether a data set's files are fit to train on"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet data``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (command, help_text) in ACTIONS.items():
        action = actions.add_parser(name, help=help_text, description=help_text)
        command.add_arguments(action)
        action.set_defaults(act=command.run, prog=action.prog)


def run(args: argparse.Namespace) -> int:
    """Run the action that was named; return the exit code."""
    return int(args.act(args))
