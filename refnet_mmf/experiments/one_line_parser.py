"""Command-line options whose errors are one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from refnet_mmf.core.messages import nearest


class OneLineParser(argparse.ArgumentParser):
    """A parser that ends the process in one line, without the usage, when an option is wrong."""

    def error(self, message: str) -> NoReturn:
        """End the process with ``message``."""
        self.exit(2, f"{self.prog}: {message}\n")

    def parse_known_options(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse ``words``, options alone; name the nearest valid one of an unknown option."""
        args, left = self.parse_known_args(words)
        if left:
            options = {action.dest for action in self._actions if action.option_strings}
            known = sorted(f"--{key.replace('_', '-')}" for key in vars(args) if key in options)
            guess = nearest(left[0], known)
            hint = f"; did you mean {guess}?" if guess else ""
            self.error(f"unknown option {left[0]!r}{hint} (valid: {', '.join(known)})")
        return args


def positive_number(text: str) -> int:
    """Return the whole number from 1 that is written in ``text``; else raise argparse's error."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)
