"""How many bytes are to be under way at once: as few as bring them as fast as they come at all.

Many connections bring more where each by itself is slow. Where they share one line that is full, more of them only make
all of them slower, and what is needed first comes last: what follows has nothing to do meanwhile. Which it is shows
when more are tried.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

_FIRST_BYTES: Final = 16 * 2**20
_MORE: Final = 1.5
"""By which factor more is tried."""
_WORTH: Final = 1.15
"""By which factor bytes have to come faster for it to have been worth trying."""
_ROUNDS: Final = 24
"""After how many rounds that was not worth it is tried again: networks change."""


class Window:
    """`limit` is how many bytes may be under way or wait; it stays within `most`. `clock` returns seconds.

    A round is as many bytes as the limit: in each it is measured how fast they come.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = min(most, _FIRST_BYTES)
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._came = 0
        self._begun: float | None = None
        self._before: tuple[int, float] | None = None
        """The limit that is gone back to unless more is worth it, and the bytes per second with it."""
        self._rest = 0
        """For how many rounds the limit stays."""

    def note(self, count: int) -> None:
        """Take note that bytes came. Thread-safe."""
        with self._lock:
            if self._begun is None:  # what came first has only shown when it begins
                self._begun = self._clock()
            else:
                self._came += count

    def adapt(self) -> None:
        """Set the limit anew at the end of a round."""
        with self._lock:
            if self._begun is None or self._came < self.limit:
                return
            now = self._clock()
            rate = self._came / max(now - self._begun, 1e-6)
            self._came, self._begun = 0, now
            if self._before is not None:
                limit, before = self._before
                if rate < before * _WORTH:
                    self.limit, self._before, self._rest = limit, None, _ROUNDS
                    return
            elif self._rest:
                self._rest -= 1
                return
            self._before = None
            if self.limit < self._most:
                self._before = self.limit, rate
                self.limit = min(self._most, int(self.limit * _MORE))
