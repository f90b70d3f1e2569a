"""A throttle that counts what is sent, for tests of what is sent and of stopping in its midst."""

from typing import Final

from core.cancellation import CancelToken
from core.throttle import Throttle

_ANYTHING: Final = 10**15
"""A rate that no test comes near."""


class CountingThrottle(Throttle):
    """Lets everything pass, and counts it; asks to stop once `most` bytes have passed."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__(_ANYTHING)
        self.taken = 0
        self._most = most

    def take(self, count: int, cancel: CancelToken) -> None:
        self.taken += count
        if self._most is not None and self.taken > self._most:
            cancel.cancel()
        super().take(count, cancel)
