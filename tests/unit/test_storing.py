"""What the storing of an artifact tells, and the requests that it has under way."""

import threading
from concurrent.futures import wait

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts.counter import Counter, Passed, Sending
from core.artifacts.storing import Requests
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.errors import CancelledByUser, UnreachableError
from core.models.content import HeldContent


def _members(sizes: list[int]) -> list[Member]:
    return [Member(path := f"file-{number}", size, HeldContent(path, b"")) for number, size in enumerate(sizes)]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.data())
def test_the_counts_of_all_files_add_up_to_that_of_the_whole(sizes: list[int], data: st.DataObject) -> None:
    told: list[Passed] = []
    counter = Counter(_members(sizes), told.append)
    pieces = [(f"file-{number}", 1) for number, size in enumerate(sizes) for _ in range(size)]
    for path, count in data.draw(st.permutations(pieces)):
        counter.add(count, path)
    latest = {passed.file: passed.of_file for passed in told}
    assert [passed.done for passed in told] == list(range(1, sum(sizes) + 1))
    assert latest == {f"file-{number}": (size, size) for number, size in enumerate(sizes) if size}


def test_of_a_file_among_others_the_path_alone_is_told() -> None:
    told: list[Passed] = []
    counter = Counter(_members([3, 4]), told.append)
    counter.add(5, "file-0", with_others=True)
    assert told == [Passed(5, "file-0")]


def test_what_was_there_before_is_of_no_file() -> None:
    told: list[Passed] = []
    counter = Counter(_members([3, 4]), told.append)
    counter.add(3)
    counter.add(1, "file-1")
    assert told == [Passed(3), Passed(4, "file-1", (1, 4))]


def test_no_count_exceeds_what_there_is() -> None:
    told: list[Passed] = []
    counter = Counter(_members([3, 4]), told.append)
    counter.add(9, "file-0")
    assert told == [Passed(7, "file-0", (3, 3))]


def test_what_is_on_its_way_is_told_ahead_and_counted_once() -> None:
    told: list[Passed] = []
    counter = Counter(_members([3, 4]), told.append)
    counter.ahead(2, "file-0")
    counter.ahead(4, "file-1")
    counter.ahead(1, "file-0")
    counter.add(3, "file-0")
    counter.add(4, "file-1")
    assert [passed.done for passed in told] == [2, 6, 6, 6, 7], "all is done only when it is"
    assert [passed.of_file for passed in told] == [(2, 3), (4, 4), (3, 3), (3, 3), (4, 4)]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=30))
def test_no_count_goes_back_whatever_was_told_ahead(steps: list[tuple[int, int]]) -> None:
    told: list[Passed] = []
    sizes = [sum(count for number, count in steps if number == file) for file in range(3)]
    counter = Counter(_members(sizes), told.append)
    for number, count in steps:
        counter.ahead(count, f"file-{number}")
    for number, count in steps:
        counter.add(count, f"file-{number}")
    assert [passed.done for passed in told] == sorted(passed.done for passed in told)
    assert not told or told[-1].done == sum(sizes)


def test_a_body_that_is_sent_again_is_not_counted_again() -> None:
    told: list[Passed] = []
    counter = Counter(_members([1000]), told.append)
    sending = Sending(counter, 800, 400, "file-0")
    for position in (100, 200, 0, 100, 300):
        sending(position)
    assert [passed.done for passed in told] == [200, 400, 600]


def test_no_more_is_under_way_than_may_be_held() -> None:
    second_begun = threading.Event()
    with Requests(CancelToken(), in_flight_bytes=10) as requests:
        first = requests.hand_in(lambda: second_begun.wait(0.5), holds=6)
        requests.hand_in(second_begun.set, holds=6)
    assert not first.result(), "the second had to wait for the first"


def test_one_that_is_larger_than_all_that_may_be_held_goes_alone() -> None:
    with Requests(CancelToken(), in_flight_bytes=10) as requests:
        assert requests.hand_in(lambda: 7, holds=60).result() == 7


@pytest.mark.parametrize("last", [True, False])
def test_when_one_fails_the_others_are_stopped(*, last: bool) -> None:
    cancel, begun = CancelToken(), threading.Event()
    ended: list[str] = []

    def long() -> None:
        begun.set()
        try:
            cancel.wait(60)
        except CancelledByUser:
            ended.append("stopped")

    def refused() -> None:
        begun.wait(60)
        raise UnreachableError("S3 does not answer.")

    def store() -> None:
        with Requests(cancel) as requests:
            failing = requests.hand_in(refused)
            requests.hand_in(long)
            if not last:
                wait([failing])
                requests.hand_in(lambda: None)

    with pytest.raises(UnreachableError):
        store()
    assert ended == ["stopped"]
