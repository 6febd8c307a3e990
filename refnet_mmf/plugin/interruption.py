"""Ctrl-C in a training run: the update in hand ends, and its checkpoint is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """The user has ended the run; the message says where it goes on."""


class Interruption:
    """Within this context, a first Ctrl-C asks the run to end; a second one ends it at once.

    Nothing changes where Python does not handle the signal in its usual way, or in a thread.

    Args:
        can_wait: tells whether the run will look at `asked` soon; otherwise the first Ctrl-C
            ends it at once, too.
    """

    def __init__(self, can_wait: Callable[[], bool]) -> None:
        self.asked = False
        self._can_wait = can_wait
        self._installed = False

    def __enter__(self) -> Interruption:
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def _handle(self, number: int, frame: FrameType | None) -> Any:
        if self.asked or not self._can_wait():
            raise KeyboardInterrupt
        self.asked = True
