"""Objects in S3 read in parts: held to the version that was listed, and taken up again where they are cut."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cancellation import CancelToken
from core.errors import SagewizardError
from core.models.facts import ModelFile
from core.models.reference import S3Reference
from core.models.sources import S3Source
from core.models.stored_objects import StoredObject, StreamCutError

DATA = bytes(range(200))
PLACE = S3Reference("models", "tiny/")


class Store:
    """One object; its streams are cut after as many bytes as `cuts` says, one after the other."""

    def __init__(self, data: bytes = DATA, cuts: tuple[int, ...] = ()) -> None:
        self.data, self.cuts = data, list(cuts)
        self.asked: list[tuple[str, str, int, int | None, str | None]] = []

    @contextmanager
    def stream(
        self, bucket: str, key: str, start: int, length: int | None, etag: str | None, cancel: CancelToken
    ) -> Iterator[Iterator[bytes]]:
        self.asked.append((bucket, key, start, length, etag))
        part = self.data[start:] if length is None else self.data[start : start + length]
        yield self._pieces(part)

    def list(self, bucket: str, prefix: str, cancel: CancelToken) -> tuple[StoredObject, ...]:
        raise NotImplementedError

    def read(self, bucket: str, key: str, start: int, length: int, etag: str | None, cancel: CancelToken) -> bytes:
        raise NotImplementedError

    def _pieces(self, part: bytes) -> Iterator[bytes]:
        cut = self.cuts.pop(0) if self.cuts else None
        for begin in range(0, len(part) if cut is None else cut, 7):
            yield part[begin : begin + 7 if cut is None else min(begin + 7, cut)]
        if cut is not None:
            raise StreamCutError("It was cut.")


def part(store: Store, start: int, length: int, *, etag: str | None = "v1") -> bytes:
    content = S3Source(PLACE, store, pause=0).content(ModelFile("w.bin", len(DATA), etag=etag))
    return b"".join(content.read_part(start, length, CancelToken()))


@settings(max_examples=60)
@given(st.data())
def test_any_part_is_that_of_the_object_however_it_is_cut(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(DATA)))
    length = data.draw(st.integers(0, len(DATA) - start))
    cuts = data.draw(st.lists(st.integers(0, 20), max_size=4))
    store = Store(cuts=tuple(cuts))
    assert part(store, start, length) == DATA[start : start + length]
    assert all((bucket, key, etag) == ("models", "tiny/w.bin", "v1") for bucket, key, _, _, etag in store.asked)


def test_a_cut_part_goes_on_where_it_broke() -> None:
    store = Store(cuts=(10,))
    assert part(store, 50, 40) == DATA[50:90]
    assert [(start, length) for _, _, start, length, _ in store.asked] == [(50, 40), (60, 30)]


def test_a_cut_part_of_an_unknown_version_is_not_gone_on_with() -> None:
    with pytest.raises(StreamCutError):
        part(Store(cuts=(10,)), 50, 40, etag=None)


def test_a_part_that_is_cut_again_and_again_is_given_up() -> None:
    store = Store(cuts=(0,) * 99)
    with pytest.raises(StreamCutError):
        part(store, 50, 40)
    assert len(store.asked) == 5


@pytest.mark.parametrize(
    ("data", "said"), [(DATA + b"!", "is larger than the 200 bytes"), (DATA[:-1], "has 199 bytes instead of 200")]
)
@pytest.mark.parametrize("start", [0, 150])
def test_an_object_of_another_size_than_listed_is_refused(data: bytes, said: str, start: int) -> None:
    with pytest.raises(SagewizardError, match=f"^s3://models/tiny/w.bin {said}"):
        part(Store(data), start, 200 - start)


def test_a_store_that_sends_more_than_was_asked_for_is_refused() -> None:
    class Generous(Store):
        def _pieces(self, part: bytes) -> Iterator[bytes]:
            yield part + b"!"

    with pytest.raises(SagewizardError, match=r"^s3://models/tiny/w\.bin"):
        part(Generous(), 10, 20)


def test_where_the_object_lies_is_told_to_whoever_could_copy_it() -> None:
    content = S3Source(PLACE, Store()).content(ModelFile("w.bin", len(DATA), etag="v1"))
    assert content.stored_at == ("models", "tiny/w.bin", "v1")
