"""Errors of the plugin: one line for the user, a traceback on request."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

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
