"""Command-line options whose errors are one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from refnet_mmf.core.messages import nearest


class OneLineParser(argparse.ArgumentParser):
    """A parser that ends the process in one line, without the usage, when an option is wrong.

    An option has to be written out: half a name would mean another one some day.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """End the process with ``message``."""
        self.exit(2, f"{self.prog}: {message}\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse ``args``; end the process at an unknown one, with the nearest option there is."""
        found, left = super().parse_known_args(args, namespace)
        if left and not self._has_commands():
            known = [
                o
                for o in sorted(self._option_string_actions)
                if o.startswith("--") and o != "--help"
            ]
            guess = nearest(left[0], known) if left[0].startswith("-") else None
            kind = "option" if left[0].startswith("-") else "word"
            hint = f"; did you mean {guess}?" if guess else ""
            self.error(f"unknown {kind} {left[0]!r}{hint} (valid: {', '.join(known)})")
        return found, left

    def _has_commands(self) -> bool:
        """Tell whether the options are those of sub-commands, which look at them themselves."""
        return any(isinstance(action, argparse._SubParsersAction) for action in self._actions)


def positive_number(text: str) -> int:
    """Return the whole number from 1 that is written in ``text``; else raise argparse's error."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)
