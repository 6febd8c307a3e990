"""``refnet data``: make data sets in the files that MMF reads."""

from __future__ import annotations

import argparse

from refnet_mmf.experiments.miniature import command as miniature


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet data``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="make a miniature data set")
    miniature.add_arguments(make)
    make.set_defaults(act=miniature.run)


def run(args: argparse.Namespace) -> int:
    """Run the action that was named; return the exit code."""
    return int(args.act(args))
