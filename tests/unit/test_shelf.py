"""A shelf with room for a few large things."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.artifacts.shelf import Place, Shelf
from core.cancellation import CancelToken
from core.errors import CancelledByUser, RefusedError


class Room:
    """A shelf, and what happens to the things on it."""

    def __init__(self, room: int) -> None:
        self.shelf: Shelf[str] = Shelf(room)
        self.told: list[str] = []

    def place(self, name: str, size: int = 1) -> Place[str]:
        def make(cancel: CancelToken) -> str:
            cancel.check()
            self.told.append(f"made {name}")
            return name

        return Place(size, make, lambda made: self.told.append(f"cleared {made}"))

    def use(self, place: Place[str], cancel: CancelToken | None = None) -> str:
        with self.shelf.using(place, cancel or CancelToken()) as thing:
            return thing


def test_a_thing_stays_until_its_room_is_wanted_and_the_oldest_goes_first() -> None:
    room = Room(3)
    first, second, large = room.place("first"), room.place("second"), room.place("large", 2)
    for place in (first, second, first, second):
        assert room.use(place) in {"first", "second"}
    assert room.told == ["made first", "made second"]
    room.use(large)
    assert room.told[2:] == ["cleared first", "made large"]
    room.use(first)
    assert room.told[4:] == ["cleared second", "made first"]


def test_what_takes_more_room_than_there_is_stands_alone() -> None:
    room = Room(1)
    for place in (room.place("small"), room.place("large", 10), room.place("other")):
        room.use(place)
    assert room.told == ["made small", "cleared small", "made large", "cleared large", "made other"]


def test_what_takes_no_room_clears_nothing_away() -> None:
    room = Room(1)
    for place in (room.place("full"), room.place("nothing", 0)):
        room.use(place)
    assert room.told == ["made full", "made nothing"]


def test_what_is_released_goes_at_once_or_after_its_last_use() -> None:
    room = Room(2)
    place = room.place("thing")
    room.shelf.release(place)
    assert room.told == []
    with room.shelf.using(place, CancelToken()):
        room.shelf.release(place)
        assert room.told == ["made thing"]
    assert room.told == ["made thing", "cleared thing"]
    room.use(place)
    room.shelf.release(place)
    room.shelf.release(place)
    assert room.told == ["made thing", "cleared thing"] * 2


def test_many_threads_make_a_thing_once() -> None:
    room = Room(1)
    begun, go_on = threading.Event(), threading.Event()
    made: list[str] = []

    def make(_: CancelToken) -> str:
        begun.set()
        assert go_on.wait(60)
        made.append("thing")
        return "thing"

    place = Place(1, make, lambda _: None)
    with ThreadPoolExecutor(8) as pool:
        used = [pool.submit(room.use, place) for _ in range(8)]
        assert begun.wait(60)
        go_on.set()
        assert [each.result(60) for each in used] == ["thing"] * 8
    assert made == ["thing"]


def test_nothing_that_is_used_is_cleared_away() -> None:
    room = Room(1)
    used, other = room.place("used"), room.place("other")
    with ThreadPoolExecutor(1) as pool:
        with room.shelf.using(used, CancelToken()):
            waiting = pool.submit(room.use, other)
            assert room.use(used) == "used"
            assert not waiting.done()
        assert waiting.result(60) == "other"
    assert room.told == ["made used", "cleared used", "made other"]


def test_what_cannot_be_made_is_tried_once_and_takes_no_room() -> None:
    room = Room(1)
    tried: list[int] = []

    def make(_: CancelToken) -> str:
        tried.append(1)
        raise RefusedError("It is broken.")

    place = Place(1, make, lambda _: None)
    for _ in range(3):
        with pytest.raises(RefusedError, match="It is broken"):
            room.use(place)
    assert tried == [1]
    assert room.use(room.place("other")) == "other"


def test_what_was_stopped_may_be_made_later() -> None:
    room, cancel = Room(1), CancelToken()

    def make(_: CancelToken) -> str:
        cancel.cancel()
        cancel.check()
        return "never"

    place = Place(1, make, lambda _: None)
    with pytest.raises(CancelledByUser):
        room.use(place, cancel)
    place.make = lambda _: "thing"
    with pytest.raises(CancelledByUser):
        room.use(place, cancel)
    assert room.use(place) == "thing"
