"""A way to ask long work to stop: from a key press, a signal or another thread."""

import threading

from core.errors import CancelledByUser


class CancelToken:
    """Set once by whoever wants the work to end; polled by the work. Safe from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether stopping was asked for."""
        return self._event.is_set()

    def check(self) -> None:
        """Return when the work may go on.

        Raises:
            CancelledByUser: stopping was asked for.
        """
        if self._event.is_set():
            raise CancelledByUser

    def wait(self, seconds: float) -> None:
        """Pause for `seconds`, or less when stopping is asked for.

        Raises:
            CancelledByUser: stopping was asked for before or during the pause.
        """
        self._event.wait(seconds)
        self.check()
