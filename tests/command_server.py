"""Runs of the commands, each in a process of its own, without importing MMF anew for each.

``python -m tests.command_server`` imports MMF once, and forks for every command that it reads from
its input: a row of JSON. It answers with the exit code. What a forked process does is what the
installed command does: it has not seen the plugin, nor any command before.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROGRAMS = {"refnet_mmf.cli": "main", "mmf_cli.run": "run"}
"""The modules of the commands, and the function that each of them runs."""
LIMIT = 300
"""Seconds after which a command is ended."""


@dataclass(frozen=True)
class Ended:
    """How a command has ended: exit code, and what it printed."""

    code: int
    output: str
    errors: str


class CommandServer:
    """The client's side."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.command_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[1],
        )

    def run(
        self,
        words: Sequence[object],
        folder: Path | None = None,
        *,
        merged: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run a command.

        Args:
            words: the name of its module, and its options.
            folder: to run it in; None: that of this process.
            merged: its errors stand in its output, in their order.
            environment: variables that it sees beside those of the server.
        """
        with tempfile.TemporaryDirectory() as logs:
            output, errors = Path(logs, "output"), Path(logs, "errors")
            request = {
                "words": [str(word) for word in words],
                "folder": str(folder or Path.cwd()),
                "environment": dict(environment or {}),
                "output": str(output),
                "errors": str(output if merged else errors),
            }
            print(json.dumps(request), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            return Ended(code, output.read_text(), "" if merged else errors.read_text())

    @staticmethod
    @cache
    def shared() -> CommandServer:
        """The one of this process; it ends when this process does."""
        return CommandServer()


def refnet(
    *words: object, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run ``refnet`` in a folder."""
    words = ("refnet_mmf.cli", *words)
    return CommandServer.shared().run(words, folder, environment=environment)


def _serve() -> None:
    from mmf.common.registry import registry
    from mmf.utils.env import setup_imports

    setup_imports()  # what all forked processes share; the plugin each of them loads itself
    registry.unregister("imports_setup")
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_run(request))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _run(request: dict) -> int:
    """Be the process of one command; return its exit code."""
    for descriptor, name in ((0, os.devnull), (1, request["output"]), (2, request["errors"])):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.dup2(os.open(name, flags), descriptor)
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    signal.alarm(LIMIT)
    module, *sys.argv[1:] = request["words"]
    try:
        code = getattr(importlib.import_module(module), PROGRAMS[module])() or 0
    except SystemExit as ended:
        code = _exit_code(ended)
    except BaseException:
        _report(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def _report(kind, error, trace) -> None:
    """Print an error as the interpreter does that nobody caught it in."""
    try:
        sys.excepthook(kind, error, trace)
    except BaseException:
        traceback.print_exc()


if __name__ == "__main__":
    _serve()
