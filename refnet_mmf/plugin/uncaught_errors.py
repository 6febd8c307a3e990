"""How what nothing in a process catches ends it: in one line, where the user can mend it."""

from __future__ import annotations

import atexit
import re
import signal
import sys
from types import TracebackType

from mmf.common.registry import registry

from refnet_mmf.plugin.errors import RefnetError, shows_tracebacks


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
    from refnet_mmf.plugin.option_keys import check_option_keys  # needed here alone, not at start

    found = re.search(r"option ((?:model_config\.)?refnet[\w.\[\]]*)", str(error))
    configuration = registry.get("configuration", no_warning=True)
    if found is None or configuration is None:
        return None
    try:
        check_option_keys(configuration.config, {found[1]: "..."})
    except RefnetError as reworded:
        return str(reworded)
    return None
