"""What is told of the storing of an artifact: sums over all files and over each."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts.counter import Counter, Passed
from core.artifacts.tree import Member
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
