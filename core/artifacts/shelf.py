"""Room for a few large things, each made when it is first asked for and cleared away when it is not needed any more."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from core.cancellation import CancelToken
from core.errors import CancelledByUser

_TURN_SECONDS: Final = 0.2

Thing = TypeVar("Thing")


class Place(Generic[Thing]):
    """Where one thing may stand on a shelf: how it is made and cleared away, and how many bytes of room it takes.

    `make` is called by one thread at a time, and raises when the thing cannot be made. `clear` may not raise.
    """

    def __init__(self, size: int, make: Callable[[CancelToken], Thing], clear: Callable[[Thing], None]) -> None:
        self.size, self.make, self.clear = size, make, clear
        self.made: Thing | None = None
        self.failure: Exception | None = None
        self.users = 0
        self.released = False


class Shelf(Generic[Thing]):
    """Holds things of at most `room` bytes together, or one alone that is larger; safe in several threads.

    To make room, those that nobody uses at the moment are cleared away, the oldest first, and made again should they be
    asked for again: whoever reads things one after another need not say that one is done with.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._standing: list[Place[Thing]] = []
        """Those that are made or being made."""
        self._changed = threading.Condition()

    @contextmanager
    def using(self, place: Place[Thing], cancel: CancelToken) -> Iterator[Thing]:
        """Give the thing of a place, made where it is not there; it stays for as long as it is used.

        Raises:
            SagewizardError: it cannot be made. It is not tried again: all who ask for it are told the same.
            CancelledByUser: stopping was asked for.
        """
        with self._changed:
            place.users += 1
            place.released = False
        try:
            yield self._thing(place, cancel)
        finally:
            with self._changed:
                place.users -= 1
                if place.released and not place.users:
                    self._clear(place)
                self._changed.notify_all()

    def release(self, place: Place[Thing]) -> None:
        """Clear the thing of a place away, as soon as nobody uses it."""
        with self._changed:
            place.released = True
            if not place.users:
                self._clear(place)

    def _thing(self, place: Place[Thing], cancel: CancelToken) -> Thing:
        with self._changed:
            while True:
                cancel.check()
                if place.failure:
                    raise place.failure
                if place.made is not None:
                    return place.made
                if place not in self._standing and self._has_room(place.size):
                    break
                self._changed.wait(_TURN_SECONDS)
            self._standing.append(place)
        try:
            made = place.make(cancel)
        except BaseException as error:
            with self._changed:
                if isinstance(error, Exception) and not isinstance(error, CancelledByUser):
                    place.failure = error
                self._standing.remove(place)
                self._changed.notify_all()
            raise
        with self._changed:
            place.made = made
            self._changed.notify_all()
        return made

    def _has_room(self, size: int) -> bool:
        for place in list(self._standing):
            if self._fits(size):
                break
            if not place.users:
                self._clear(place)
        return self._fits(size)

    def _fits(self, size: int) -> bool:
        return not self._standing or sum(place.size for place in self._standing) + size <= self._room

    def _clear(self, place: Place[Thing]) -> None:
        if place.made is not None:
            place.clear(place.made)
            place.made = None
            self._standing.remove(place)
            self._changed.notify_all()
