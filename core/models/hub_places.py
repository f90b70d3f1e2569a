"""Where the Hub keeps files: with itself, or at an address elsewhere that it signs, which is good for a while.

Each question to the Hub counts against its rate limit, and a file is asked for in many parts.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from core.cancellation import CancelToken

_SECONDS: Final = 600.0
"""Signed addresses of the Hub's are good for an hour."""
_MOST: Final = 1_000
_TURN_SECONDS: Final = 0.2

AT_THE_HUB: Final = ""
"""The place of a file that the Hub sends by itself."""


@dataclass(slots=True)
class _Place:
    address: str | None = None
    noted: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class FilePlaces:
    """Remembers addresses by what was asked for. Thread-safe; `clock` returns seconds that never go back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def find(self, wanted: str) -> str | None:
        """Return where `wanted` was found in the last ten minutes; `None` when it was not."""
        with self._lock:
            place = self._places.get(wanted)
            return place.address if place and self._clock() - place.noted < _SECONDS else None

    def note(self, wanted: str, address: str) -> None:
        """Remember where `wanted` was found: an address, or `AT_THE_HUB`."""
        with self._lock:
            place = self._place(wanted)
            place.address, place.noted = address, self._clock()

    def forget(self, wanted: str, address: str) -> None:
        """Take note that `wanted` is not at this address any more."""
        with self._lock:
            place = self._places.get(wanted)
            if place and place.address == address:
                place.address = None

    @contextmanager
    def turn(self, wanted: str, cancel: CancelToken) -> Iterator[None]:
        """Let one caller at a time look for `wanted`: the others wait, and then find what it noted.

        Raises:
            CancelledByUser: stopping was asked for meanwhile.
        """
        with self._lock:
            lock = self._place(wanted).lock
        while not lock.acquire(timeout=_TURN_SECONDS):
            cancel.check()
        try:
            yield
        finally:
            lock.release()

    def _place(self, wanted: str) -> _Place:
        place = self._places.setdefault(wanted, _Place())
        self._places.move_to_end(wanted)
        while len(self._places) > _MOST:
            self._places.popitem(last=False)
        return place
