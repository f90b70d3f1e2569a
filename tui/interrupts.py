"""Ctrl+C and SIGTERM: the first asks long work to end and clean up after itself, the second ends it at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from core.cancellation import CancelToken
from core.errors import CancelledByUser

INTERRUPTED: Final = CancelledByUser.exit_code
STOPPING: Final = "Stopping as asked. Press Ctrl+C again to stop at once."


def nothing_left() -> str:
    """Say what remains after a stop at once of work that leaves nothing."""
    return ""


@contextmanager
def stopping_politely(
    cancel: CancelToken, at_once: Callable[[], str] = nothing_left, *, notice: str = STOPPING
) -> Iterator[None]:
    """Within it, the first SIGINT or SIGTERM cancels the token; another one ends the process with exit code 130.

    `notice` is told at the first. `at_once` is called before that end and returns what a person should know about
    what is left. Handlers belong to the main thread: from another thread this changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if cancel.cancelled:
            _end_now(at_once)
        cancel.cancel()
        if notice:
            _tell(notice)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_on_sigterm() -> None:
    """Make SIGTERM end the program as Ctrl+C does, where no work minds."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, handle)


def _end_now(at_once: Callable[[], str]) -> None:
    # No unwinding: what unwinds would clean up, and a person who asks twice does not want to wait for that.
    left = ""
    with suppress(Exception):
        left = at_once()
    _tell(f"sagewizard: Stopped at once. {left}".rstrip())
    os._exit(INTERRUPTED)


def _tell(text: str) -> None:
    # Not through sys.stderr: a handler may run in the middle of a write to it, which Python refuses to repeat.
    with suppress(OSError):
        os.write(2, f"\n{text}\n".encode())
