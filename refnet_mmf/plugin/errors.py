"""Errors of the plugin: one line for the user, a traceback on request."""

from __future__ import annotations

import os
import sys
from types import TracebackType

DEBUG_VARIABLE = "REFNET_DEBUG"


class RefnetError(ValueError):
    """Something that the user can mend: the message names the place, the value and what is valid.

    Uncaught, it ends the run in one line; with ``REFNET_DEBUG=1``, in a traceback.
    """


def one_line(error: BaseException) -> str:
    """Return an error's message in one line; of one that is not ours its type, too."""
    message = " ".join(str(error).split())
    if isinstance(error, RefnetError):
        return message
    return f"{type(error).__name__}: {message} ({DEBUG_VARIABLE}=1 shows where)"


def print_refnet_errors_in_one_line() -> None:
    """Let an uncaught :class:`RefnetError` end the process in one line; twice is once."""
    previous = sys.excepthook
    if getattr(previous, "prints_refnet_errors", False):
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, RefnetError) and os.environ.get(DEBUG_VARIABLE) != "1":
            print(f"refnet: error: {error}", file=sys.stderr)
        else:
            previous(kind, error, trace)

    hook.prints_refnet_errors = True  # type: ignore[attr-defined]
    sys.excepthook = hook
