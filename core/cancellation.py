"""A way to ask long work to stop: from a key press, a signal or another thread."""

import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from core.errors import CancelledByUser

_TURN_SECONDS: Final = 0.2


class CancelToken:
    """Set once by whoever wants the work to end; polled by the work. Safe from any thread.

    And from a signal handler, which runs in the midst of what it interrupts: a `threading.Event` that is being waited
    for may then be locked by the very thread that is to set it. Putting into a `SimpleQueue` takes no such lock.
    """

    def __init__(self, *, parent: "CancelToken | None" = None) -> None:
        self._cancelled = False
        self._parent = parent
        self._bell: SimpleQueue[None] = SimpleQueue()

    def child(self) -> "CancelToken":
        """Return a token for a part of the work: set when this one is, or by itself, which leaves this one alone."""
        return CancelToken(parent=self)

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._cancelled = True
        self._bell.put(None)

    @property
    def cancelled(self) -> bool:
        """Whether stopping was asked for."""
        return self._cancelled or (self._parent is not None and self._parent.cancelled)

    def check(self) -> None:
        """Return when the work may go on.

        Raises:
            CancelledByUser: stopping was asked for.
        """
        if self.cancelled:
            raise CancelledByUser

    def wait(self, seconds: float) -> None:
        """Pause for `seconds`, or less when stopping is asked for.

        Raises:
            CancelledByUser: stopping was asked for before or during the pause.
        """
        until = time.monotonic() + seconds
        while not self.cancelled and (left := until - time.monotonic()) > 0:
            # In short turns: a signal that arrives just before a turn begins is handled by Python only after it.
            with suppress(Empty):
                self._bell.get(timeout=min(left, _TURN_SECONDS))
                self._bell.put(None)  # for others who wait
        self.check()
