"""Where files of the Hub were found: for a while, and not too many."""

import threading

import pytest

from core.cancellation import CancelToken
from core.errors import CancelledByUser
from core.models.hub_places import AT_THE_HUB, FilePlaces


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def test_a_place_is_known_for_ten_minutes() -> None:
    clock = Clock()
    places = FilePlaces(clock=clock)
    places.note("a", "https://cdn/a")
    places.note("b", AT_THE_HUB)
    clock.now += 599
    assert (places.find("a"), places.find("b"), places.find("c")) == ("https://cdn/a", AT_THE_HUB, None)
    clock.now += 1
    assert (places.find("a"), places.find("b")) == (None, None)


def test_only_the_place_that_was_refused_is_forgotten() -> None:
    places = FilePlaces()
    places.note("a", "https://cdn/new")
    places.forget("a", "https://cdn/old")
    assert places.find("a") == "https://cdn/new"
    places.forget("a", "https://cdn/new")
    assert places.find("a") is None
    places.forget("never seen", "x")


def test_of_very_many_places_the_last_are_known() -> None:
    places = FilePlaces()
    for number in range(1500):
        places.note(str(number), "https://cdn")
    known = [number for number in range(1500) if places.find(str(number))]
    assert known == list(range(500, 1500))


def test_one_looks_while_the_others_wait_and_find_what_it_noted() -> None:
    places, looks = FilePlaces(), []
    together = threading.Barrier(8, timeout=30)

    def work() -> None:
        together.wait()
        with places.turn("a", CancelToken()):
            if places.find("a") is None:
                looks.append(1)
                places.note("a", "https://cdn")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert looks == [1]


def test_waiting_for_a_turn_ends_when_stopping_is_asked_for() -> None:
    places, cancel = FilePlaces(), CancelToken()
    cancel.cancel()
    with places.turn("a", CancelToken()):
        with places.turn("b", CancelToken()):
            pass
        with pytest.raises(CancelledByUser), places.turn("a", cancel):
            pass


def test_a_turn_that_fails_is_the_next_ones() -> None:
    places = FilePlaces()
    with pytest.raises(KeyError), places.turn("a", CancelToken()):
        raise KeyError
    with places.turn("a", CancelToken()):
        assert places.find("a") is None
