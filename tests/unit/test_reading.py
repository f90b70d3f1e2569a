"""Contents read ahead: in order, whole, checked before their last piece, and never more than the window at once."""

import hashlib
import itertools
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts.reading import Piece, read_ahead
from core.artifacts.tree import Member
from core.artifacts.window import Window
from core.cancellation import CancelToken
from core.errors import CancelledByUser, SagewizardError
from core.models.content import ContentCheck, HeldContent
from core.models.facts import ModelFile
from tests.counting_throttle import CountingThrottle


class Ledger:
    """How many bytes are under way, or were fetched and are not given back yet."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held = self.most = 0

    def add(self, count: int) -> None:
        with self.lock:
            self.held += count
            self.most = max(self.most, self.held)


class Source:
    """A content for tests: in pieces of `piece` bytes; subclasses let things happen while it is read."""

    def __init__(
        self, data: bytes, *, ledger: Ledger | None = None, piece: int = 7, listed: bytes | None = None
    ) -> None:
        self.data, self.piece = data, piece
        listed = data if listed is None else listed
        self.file = ModelFile("file", len(listed), sha256=hashlib.sha256(listed).hexdigest())
        self.ledger = ledger or Ledger()
        self.released = 0

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        self.ledger.add(length)
        self.happens(start, cancel)
        for begin in range(start, start + length, self.piece):
            yield self.data[begin : min(begin + self.piece, start + length)]

    def happens(self, start: int, cancel: CancelToken) -> None:
        """Nothing."""

    def check(self) -> ContentCheck:
        return ContentCheck(self.file, "the file", "")

    def release(self) -> None:
        self.released += 1


def member(source: Source, path: str = "file") -> Member:
    return Member(path, source.file.bytes, source, source.file)


def members(*sources: Source) -> list[Member]:
    return [member(source, str(number)) for number, source in enumerate(sources)]


def data_of(size: int, seed: int) -> bytes:
    return bytes((position * 31 + seed) % 251 for position in range(size))


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 120), max_size=40),
    unit=st.integers(1, 60),
    window=st.integers(1, 200),
    piece=st.integers(1, 70),
)
def test_the_pieces_are_the_contents_in_order_and_the_window_is_kept(
    sizes: list[int], unit: int, window: int, piece: int
) -> None:
    ledger = Ledger()
    sources = [Source(data_of(size, seed), ledger=ledger, piece=piece) for seed, size in enumerate(sizes)]
    found: list[list[bytes]] = [[] for _ in sources]
    ended = 0
    for got in read_ahead(members(*sources), cancel=CancelToken(), unit_bytes=unit, window_bytes=window):
        assert got.member == ended
        assert got.start == sum(map(len, found[ended]))
        assert len(got.data) <= unit
        found[ended].append(bytes(got.data))
        assert sources[ended].released == int(got.last)
        assert got.sha256 == (hashlib.sha256(sources[ended].data).hexdigest() if got.last else None)
        ended += got.last
        ledger.add(-len(got.data))
    assert [b"".join(pieces) for pieces in found] == [source.data for source in sources]
    assert all(found)
    assert ended == len(sizes)
    assert ledger.most <= window


class Together(Source):
    """Is only read on when as many others are being read at the same moment."""

    def __init__(self, data: bytes, together: threading.Barrier) -> None:
        super().__init__(data)
        self.together = together

    def happens(self, start: int, cancel: CancelToken) -> None:
        self.together.wait()


def test_small_files_are_read_sixteen_at_a_time() -> None:
    together = threading.Barrier(16, timeout=30)
    sources = [Together(data_of(5, seed), together) for seed in range(64)]
    assert b"".join(piece.data for piece in read_ahead(members(*sources), cancel=CancelToken())) == b"".join(
        source.data for source in sources
    )


def test_parts_of_a_large_file_are_read_together() -> None:
    source = Together(data_of(80, 1), threading.Barrier(4, timeout=30))
    pieces = read_ahead([member(source)], cancel=CancelToken(), unit_bytes=10, window_bytes=40)
    assert b"".join(piece.data for piece in pieces) == source.data


@pytest.mark.parametrize("size", [10, 25, 30])
def test_a_damaged_file_is_refused_before_its_last_piece(size: int) -> None:
    good, damaged = data_of(size, 1), bytearray(data_of(size, 1))
    damaged[0] ^= 1
    bad, after = Source(bytes(damaged), listed=good), Source(b"after")
    pieces = read_ahead(members(Source(b"before"), bad, after), cancel=CancelToken(), unit_bytes=10)
    assert next(pieces).last
    given_out: list[Piece] = []
    with pytest.raises(SagewizardError, match="not what was listed"):
        given_out.extend(pieces)
    assert not any(piece.last for piece in given_out)
    assert len(given_out) == (size - 1) // 10
    assert (bad.released, after.released) == (0, 0)


class Failing(Source):
    def __init__(self, failed: threading.Event) -> None:
        super().__init__(b"failing")
        self.failed = failed

    def happens(self, start: int, cancel: CancelToken) -> None:
        self.failed.set()
        raise SagewizardError("It broke.")


class Late(Source):
    """Is read on once something has happened."""

    def __init__(self, data: bytes, event: threading.Event) -> None:
        super().__init__(data)
        self.event = event

    def happens(self, start: int, cancel: CancelToken) -> None:
        assert self.event.wait(30)


def test_an_error_is_raised_when_its_turn_comes() -> None:
    failed = threading.Event()
    pieces = read_ahead(members(Late(b"late", failed), Failing(failed), Source(b"")), cancel=CancelToken())
    assert next(pieces).data == b"late"
    with pytest.raises(SagewizardError, match=r"^It broke\.$"):
        next(pieces)


class Waiting(Source):
    """Waits for its network, as long as nobody asks to stop."""

    def __init__(self) -> None:
        super().__init__(b"waiting")
        self.begun, self.stopped = threading.Event(), threading.Event()

    def happens(self, start: int, cancel: CancelToken) -> None:
        self.begun.set()
        try:
            cancel.wait(600)
        except CancelledByUser:
            self.stopped.set()
            raise


def threads(*, waited_for: float = 30) -> int:
    """How many threads of the reader are left when they had the time to end."""
    left = [thread for thread in threading.enumerate() if thread.name == "read-ahead"]
    for thread in left:
        thread.join(waited_for)
    return sum(thread.is_alive() for thread in left)


def test_an_error_stops_what_else_is_under_way() -> None:
    waiting = [Waiting(), Waiting()]
    cancel = CancelToken()
    with pytest.raises(SagewizardError, match="It broke"):
        list(read_ahead(members(Late(b"", waiting[1].begun), Failing(threading.Event()), *waiting), cancel=cancel))
    assert all(source.stopped.is_set() for source in waiting)
    assert not threads()
    assert not cancel.cancelled


def test_closing_stops_what_is_under_way() -> None:
    waiting, later = Waiting(), [Source(b"x", ledger=Ledger()) for _ in range(100)]
    cancel = CancelToken()
    pieces = read_ahead(members(Late(b"first", waiting.begun), waiting, *later), cancel=cancel)
    assert next(pieces).data == b"first"
    pieces.close()
    assert waiting.stopped.is_set()
    assert not threads()
    assert not cancel.cancelled
    assert later[-1].ledger.most == 0


def test_stopping_ends_the_wait() -> None:
    waiting, cancel = Waiting(), CancelToken()

    def stop() -> None:
        waiting.begun.wait(30)
        cancel.cancel()

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(CancelledByUser):
        list(read_ahead([member(waiting)], cancel=cancel))
    stopping.join()
    assert waiting.stopped.is_set()
    assert not threads()


def test_a_read_that_never_returns_does_not_hold_up_whoever_stops() -> None:
    stuck, let_go, cancel = threading.Event(), threading.Event(), CancelToken()

    class Stuck(Late):
        def happens(self, start: int, cancel: CancelToken) -> None:
            stuck.set()
            super().happens(start, cancel)

    pieces = read_ahead(members(Late(b"first", stuck), Stuck(b"stuck", let_go)), cancel=cancel)
    assert next(pieces).data == b"first"
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        next(pieces)
    assert threads(waited_for=0)
    let_go.set()


@pytest.mark.parametrize(("given_out", "said"), [(b"12345", "ends after 5"), (b"", "ends after 0")])
def test_a_file_that_ends_early_is_refused(given_out: bytes, said: str) -> None:
    with pytest.raises(SagewizardError, match=f"^file was listed with 9 bytes but {said}"):
        list(read_ahead([member(Source(given_out, listed=b"123456789"))], cancel=CancelToken()))


class Generous(Source):
    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        yield self.data[start : start + length]
        yield b"!"


def test_a_source_that_gives_more_than_was_asked_for_is_refused() -> None:
    with pytest.raises(SagewizardError, match="is longer"):
        list(read_ahead([member(Generous(b"abcdef"))], cancel=CancelToken(), unit_bytes=3))


class Sloppy(Source):
    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        yield from (b"", self.data[start : start + length], b"")


def test_empty_pieces_are_nothing() -> None:
    pieces = read_ahead([member(Sloppy(b"abcdef"))], cancel=CancelToken(), unit_bytes=4)
    assert [piece.data for piece in pieces] == [b"abcd", b"ef"]


def test_every_byte_is_counted_by_the_throttle() -> None:
    throttle = CountingThrottle()
    sources = [Source(data_of(size, size)) for size in (0, 50, 3)]
    list(read_ahead(members(*sources), cancel=CancelToken(), throttle=throttle, unit_bytes=20))
    assert throttle.taken == 53


def test_nothing_to_read() -> None:
    assert list(read_ahead([], cancel=CancelToken())) == []


def test_reading_begins_when_the_first_piece_is_asked_for() -> None:
    source = Source(b"data")
    read_ahead([member(source)], cancel=CancelToken())
    assert source.ledger.most == 0


def test_very_many_empty_files() -> None:
    sources = [Source(b"") for _ in range(2_000)]
    indexes = [piece.member for piece in read_ahead(members(*sources), cancel=CancelToken()) if piece.last]
    assert indexes == list(itertools.islice(itertools.count(), 2_000))


def test_units_may_be_larger_than_what_is_under_way_at_first() -> None:
    source = Source(bytes(40 * 2**20), piece=2**20)
    pieces = read_ahead([member(source)], cancel=CancelToken(), unit_bytes=20 * 2**20)
    assert [len(piece.data) for piece in pieces] == [20 * 2**20, 20 * 2**20]


def test_bytes_are_told_of_as_they_come() -> None:
    came: Counter[str] = Counter()
    pieces: list[int] = []

    def arriving(count: int, path: str) -> None:
        came[path] += count
        pieces.append(count)

    read = members(Source(data_of(50, 1)), Source(data_of(30, 2)))
    made = Member("code/inference.py", 3, HeldContent("code/inference.py", b"abc"))
    list(read_ahead([*read, made], cancel=CancelToken(), unit_bytes=40, arriving=arriving))
    assert came == {"0": 50, "1": 30}, "what is made here comes from nowhere"
    assert len(pieces) >= 3


def test_how_much_is_under_way_is_looked_at_after_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    class Noting(Window):
        def adapt(self) -> None:
            super().adapt()
            looked.append(self.limit)

    monkeypatch.setattr("core.artifacts.reading.Window", Noting)
    pieces = list(read_ahead(members(Source(data_of(50, 1))), cancel=CancelToken(), unit_bytes=20))
    assert len(looked) == len(pieces) == 3
