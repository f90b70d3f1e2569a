"""A content that is read like a file."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts import ranged_file
from core.artifacts.ranged_file import open_ranged
from core.cancellation import CancelToken
from core.errors import CancelledByUser
from core.models.facts import ModelFile
from tests.model_contents import FarContent

STEPS = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 300)),
    st.tuples(st.just("readline"), st.integers(-1, 300)),
    st.tuples(st.just("seek"), st.integers(0, 400)),
    st.tuples(st.just("end"), st.integers(-200, 0)),
)


def content(data: bytes) -> FarContent:
    return FarContent(ModelFile("x", len(data)), data)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged_file, "_BLOCK_BYTES", 16)
    monkeypatch.setattr(ranged_file, "_MOST_BLOCKS", 2)


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=200, max_size=300), st.lists(STEPS, max_size=15))
def test_it_is_read_as_any_file(data: bytes, steps: list[tuple[str, int]]) -> None:
    plain = io.BytesIO(data)
    with open_ranged(content(data), len(data), CancelToken()) as ranged:
        for how, number in steps:
            if how == "seek":
                assert ranged.seek(number) == plain.seek(number)
            elif how == "end":
                assert ranged.seek(number, io.SEEK_END) == plain.seek(number, io.SEEK_END)
            else:
                assert getattr(ranged, how)(number) == getattr(plain, how)(number)
            assert ranged.tell() == plain.tell()


@pytest.mark.usefixtures("small_blocks")
def test_blocks_that_were_read_are_not_asked_for_again_and_few_are_kept() -> None:
    far = content(bytes(range(200)))
    with open_ranged(far, 200, CancelToken()) as ranged:
        for place in (0, 199, 5, 190, 100, 0):
            ranged.seek(place)
            ranged.read(1)
    starts = [start for start, _ in far.asked]
    assert starts.count(192) == 1
    assert starts.count(0) == 2, "it had to go for another one"
    assert all(start + length <= 200 for start, length in far.asked)


def test_stopping_is_heard() -> None:
    cancel = CancelToken()
    with open_ranged(content(bytes(100)), 100, cancel) as ranged:
        cancel.cancel()
        with pytest.raises(CancelledByUser):
            ranged.read(1)
