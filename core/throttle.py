"""A limit on how many bytes pass in a second."""

import threading
import time
from collections.abc import Callable
from typing import Final

from core.cancellation import CancelToken

_BURST_SECONDS: Final = 0.25


class Throttle:
    """Lets `bytes_per_second` pass, with a burst of a quarter second. Thread-safe.

    It is a token bucket whose level may go below zero: whoever takes waits until it is back there, and those who come
    later wait behind. `clock` returns seconds that never go back.

    Raises:
        ValueError: the rate lets nothing pass.
    """

    def __init__(self, bytes_per_second: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        if bytes_per_second <= 0:
            raise ValueError("a rate that lets nothing pass")
        self._rate = bytes_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._paid_until = clock() - _BURST_SECONDS
        """The moment at which all that was taken has had its time."""

    def take(self, count: int, cancel: CancelToken) -> None:
        """Return once `count` more bytes may pass.

        Raises:
            CancelledByUser: stopping was asked for meanwhile.
        """
        cancel.check()
        if count <= 0:
            return
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now - _BURST_SECONDS) + count / self._rate
            wait = self._paid_until - now
        if wait > 0:
            cancel.wait(wait)
