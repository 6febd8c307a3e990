"""The ``refnet`` command: one sub-command for each thing that a user does."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from refnet_mmf import __version__
from refnet_mmf.experiments.one_line_parser import OneLineParser
from refnet_mmf.plugin.errors import one_line, shows_tracebacks


class Command(NamedTuple):
    """A sub-command: its module has ``add_arguments(parser)`` and ``run(args) -> exit code``.

    What ``run`` raises ends the command in one line. ``args.prog`` stands before it; where
    ``args.goes_on`` is true, the same command goes on where Ctrl-C has stopped it.
    """

    module: str
    help: str


COMMANDS = {
    "install-mmf": Command(
        "refnet_mmf.porting.install", "put a working MMF into this Python environment"
    ),
    "run": Command(
        "refnet_mmf.plugin.run", "run MMF with the plugin loaded and everything checked first"
    ),
    "doctor": Command(
        "refnet_mmf.experiments.doctor",
        "look at the environment, and at a command, for what would keep a run from its end",
    ),
    "export": Command(
        "refnet_mmf.plugin.export", "write a ReFNet checkpoint as one of the stock model"
    ),
    "data": Command(
        "refnet_mmf.experiments.data",
        "make, convert and check data sets in the files that MMF reads",
    ),
    "table": Command(
        "refnet_mmf.experiments.tables.table_command", "run and write a table of the paper"
    ),
    "tune": Command(
        "refnet_mmf.experiments.tune.command",
        "search for gamma and zeta on the validation split",
    ),
    "figure": Command(
        "refnet_mmf.experiments.figure_command",
        "draw a figure of the paper, from runs or from numbers made here",
    ),
    "report": Command(
        "refnet_mmf.experiments.report.report_command",
        "put the paper's claims, the tables and the figures on one page",
    ),
    "embed": Command(
        "refnet_mmf.experiments.embed_command",
        "write fused embeddings and unimodal features of a checkpoint to a file",
    ),
    "retrieve": Command(
        "refnet_mmf.experiments.retrieve_command", "retrieve samples by one modality of them"
    ),
    "probe": Command(
        "refnet_mmf.experiments.probe_command", "tell what of each modality the embeddings keep"
    ),
    "demo": Command(
        "refnet_mmf.experiments.demo", "train MMBT, ReFNet-MMBT and ReFNetMS-MMBT side by side"
    ),
}


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """Build the parser; only the module of ``command`` is imported for its arguments."""
    parser = OneLineParser(
        prog="refnet", description="Multimodal models that keep their modalities."
    )
    parser.add_argument("--version", action="version", version=f"refnet_mmf {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, help_text) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=help_text, description=help_text)
        if name == command:
            loaded = importlib.import_module(module)
            loaded.add_arguments(subparser)
            subparser.set_defaults(run=loaded.run, prog=subparser.prog)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``refnet`` with ``arguments`` (None: those of the process); return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # of a terminal that has no ±
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command = next((word for word in arguments if not word.startswith("-")), None)
    if not arguments:
        build_parser(None).print_help(sys.stderr)
        return 2
    args = argparse.Namespace(prog=f"refnet {command}")
    try:
        build_parser(command).parse_args(arguments, args)
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who read the output, e.g. head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except ModuleNotFoundError as error:
        return _stopped(args, missing_package(error.name))
    except KeyboardInterrupt as interrupted:
        goes_on = "; the same command goes on from here" if getattr(args, "goes_on", False) else ""
        return _stopped(args, (str(interrupted) or "interrupted") + goes_on, code=130)
    except Exception as error:
        if shows_tracebacks():
            raise
        return _stopped(args, _words(error))


def _stopped(args: argparse.Namespace, why: str, code: int = 1) -> int:
    sys.stdout.flush()
    print(f"{args.prog}: {why}", file=sys.stderr)
    return code


def _words(error: Exception) -> str:
    """Word an error: what is ours and the system's speaks for itself."""
    if isinstance(error, MemoryError):
        return str(error) or "not enough memory"
    return str(error) if isinstance(error, ValueError | OSError) else one_line(error)


def missing_package(name: str | None) -> str:
    """Say how to get a package that is not installed."""
    if name is not None and name.partition(".")[0] in ("mmf", "mmf_cli"):
        return "MMF is not installed; 'refnet install-mmf' puts it into this environment"
    return (
        f"the package {name!r} is not installed; "
        "pip install '.[all]' in a clone of refnet_mmf, or 'FILE.whl[all]' of its wheel, brings "
        "everything that the commands need"
    )


if __name__ == "__main__":
    sys.exit(main())
