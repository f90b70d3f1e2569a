"""Where the Hub sent us to for files: addresses elsewhere, signed, and good for a while."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_SECONDS: Final = 600.0
"""Signed addresses of the Hub's are good for an hour."""
_MOST: Final = 1_000


class FilePlaces:
    """Remembers addresses by what was asked for. Thread-safe; `clock` returns seconds that never go back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def find(self, wanted: str) -> str | None:
        """Return where `wanted` was found in the last ten minutes; `None` when it was not."""
        with self._lock:
            place, noted = self._places.get(wanted, ("", 0.0))
            return place if place and self._clock() - noted < _SECONDS else None

    def note(self, wanted: str, place: str) -> None:
        """Remember where `wanted` was found."""
        with self._lock:
            self._places[wanted] = place, self._clock()
            self._places.move_to_end(wanted)
            while len(self._places) > _MOST:
                self._places.popitem(last=False)

    def forget(self, wanted: str) -> None:
        """Take note that `wanted` is not there any more."""
        with self._lock:
            self._places.pop(wanted, None)
