"""Errors of the plugin: one line for the user, a traceback on request."""

from __future__ import annotations

import atexit
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

DEBUG_VARIABLE = "REFNET_DEBUG"


class RefnetError(ValueError):
    """Something that the user can mend: the message names the place, the value and what is valid.

    Uncaught, it ends the run in one line; with ``REFNET_DEBUG=1``, in a traceback.
    """


def shows_tracebacks() -> bool:
    """Tell whether the user has asked for tracebacks, by ``REFNET_DEBUG=1``."""
    return os.environ.get(DEBUG_VARIABLE) == "1"


def one_line(error: BaseException) -> str:
    """Return an error's message in one line; of one that is not ours its type, too."""
    message = " ".join(str(error).split())
    if isinstance(error, RefnetError):
        return message
    download = re.search(r"url: \S*/data/datasets/(\w+)/\S+", message)
    if isinstance(error, OSError) and download:
        return (
            f"MMF wants to download {download[0].removeprefix('url: ')}, and can't: files that are "
            f"there already are marked by 'refnet data check {download[1]} DIR --mark', DIR being "
            f"env.data_dir ({DEBUG_VARIABLE}=1 shows the error)"
        )
    return f"{type(error).__name__}: {message} ({DEBUG_VARIABLE}=1 shows where)"


@contextmanager
def mmf_errors_in_one_line() -> Iterator[None]:
    """Turn whatever MMF raises into a `RefnetError`; with ``REFNET_DEBUG=1``, let it through."""
    try:
        yield
    except (RefnetError, ModuleNotFoundError):
        raise
    except Exception as error:
        if shows_tracebacks():
            raise
        raise RefnetError(one_line(error)) from error


def print_refnet_errors_in_one_line() -> None:
    """Let what the user can mend end the process in one line; twice is once.

    That is a `RefnetError`, Ctrl-C, and an option of ours that MMF does not find in its
    configuration.
    """
    previous = sys.excepthook
    if getattr(previous, "prints_refnet_errors", False):
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if shows_tracebacks():
            line = None
        elif issubclass(kind, KeyboardInterrupt):
            line = str(error) or "interrupted"
        else:
            line = str(error) if issubclass(kind, RefnetError) else _unknown_option(error)
            line = line and f"error: {line}"
        if line is None:
            previous(kind, error, trace)
        else:
            print(f"refnet: {line}", file=sys.stderr)

    hook.prints_refnet_errors = True  # type: ignore[attr-defined]
    sys.excepthook = hook
    atexit.register(_let_ctrl_c_end_silently)


def _let_ctrl_c_end_silently() -> None:
    """Have Ctrl-C print nothing while Python itself ends, where no hook is asked any more."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _unknown_option(error: BaseException) -> str | None:
    """Word MMF's error for an option of ours that the configuration lacks; None: another error."""
    if not isinstance(error, AttributeError) or "While updating configuration" not in str(error):
        return None
    from mmf.common.registry import registry

    from refnet_mmf.plugin.option_keys import check_option_keys

    found = re.search(r"option ((?:model_config\.)?refnet[\w.\[\]]*)", str(error))
    configuration = registry.get("configuration", no_warning=True)
    if found is None or configuration is None:
        return None
    try:
        check_option_keys(configuration.config, {found[1]: "..."})
    except RefnetError as reworded:
        return str(reworded)
    return None
