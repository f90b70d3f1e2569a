"""A network that is only so fast, for the servers that tests put in the place of the real ones."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

_LEAST_PIECE: Final = 1024
_PIECES_A_SECOND: Final = 50


class RateLimit:
    """Lets `bytes_per_second` pass over all connections together, without any burst; `None` lets everything pass.

    Bytes are waited for before they pass, so that never more have passed than the time since the first allows. `clock`
    returns seconds that never go back, `wait` waits for some seconds; both may be a test's own. Thread-safe.
    """

    def __init__(
        self,
        bytes_per_second: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._free_at = clock()
        """When all that was let pass so far has had its time."""

    def piece(self, most: int) -> int:
        """Return how many bytes are to pass at once: `most`, or fewer where the rate would make it jerky."""
        return most if self._rate is None else min(most, max(_LEAST_PIECE, self._rate // _PIECES_A_SECOND))

    def take(self, count: int) -> None:
        """Return once `count` more bytes may pass."""
        if self._rate is None:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + count / self._rate
            seconds = self._free_at - now
        self._wait(seconds)
