"""The contents of an artifact's members, read ahead by several threads and given out in order, checked as they pass.

What is under way is bounded by its bytes, so that of small files many are fetched at once, and of large ones few parts:
no more of them than it takes to get them as fast as they come at all (`core.artifacts.window`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from core.artifacts.room import Room
from core.artifacts.tree import Member
from core.artifacts.window import Window
from core.cancellation import CancelToken
from core.errors import SagewizardError
from core.models.content import ContentCheck
from core.throttle import Throttle

UNIT_BYTES: Final = 8 * 2**20
"""Bytes of a file that are asked for at once."""
WINDOW_BYTES: Final = 64 * 2**20
"""Bytes that are under way or wait to be taken, at most."""
_MOST_UNITS: Final = 32
_THREADS: Final = 16
_TURN_SECONDS: Final = 0.2
_END_SECONDS: Final = 0.75
"""How long the threads are waited for when reading is given up."""

_Data = bytes | memoryview
Arriving = Callable[[int, str], None]
"""Receives how many more bytes have come, and the path of the member that they are of; in any thread."""


def _nobody_waits(_count: int, _path: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a member, given by its index: `data` from position `start` on.

    `last`: the member ends with it, and was seen to be what was listed; then `sha256` (hex) is that of its content.
    """

    member: int
    start: int
    data: bytes | memoryview
    last: bool
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class _Unit:
    member: int
    start: int
    bytes: int
    last: bool


def read_ahead(
    members: Sequence[Member],
    *,
    cancel: CancelToken,
    throttle: Throttle | None = None,
    unit_bytes: int = UNIT_BYTES,
    window_bytes: int = WINDOW_BYTES,
    arriving: Arriving = _nobody_waits,
) -> Generator[Piece, None, None]:
    """Yield the contents of the members, one after the other, in pieces of at most `unit_bytes`.

    At most `window_bytes` are held, with those under way and the piece that was yielded last. A member's last piece is
    yielded once all of it was seen to be what was listed, and its content is released then. An empty member has one
    empty piece. `arriving` is told of bytes as they come, of those that are fetched; weights that are made here tell of
    theirs themselves. Closing the iterator, like any error, ends what is under way, and takes a second at most.

    Raises:
        SagewizardError: a member cannot be read, or is not what was listed; what comes before it was yielded.
        CancelledByUser: stopping was asked for.
    """
    own = cancel.child()
    threads = _Threads()
    waiting: deque[tuple[_Unit, Future[_Data]]] = deque()
    held = 0
    window = Window(window_bytes)
    units = _units(members, min(unit_bytes, window_bytes))
    following = next(units, None)
    check: ContentCheck | None = None
    try:
        while waiting or following:
            while following and (
                not waiting or (len(waiting) < _MOST_UNITS and held + following.bytes <= window.limit)
            ):
                waiting.append(
                    (
                        following,
                        threads.submit(
                            _fetching(members[following.member], following, own, throttle, window, arriving)
                        ),
                    )
                )
                held += following.bytes
                following = next(units, None)
            unit, future = waiting.popleft()
            while not wait([future], _TURN_SECONDS).done:
                cancel.check()
            data = future.result()
            del future  # which holds the bytes as well
            cancel.check()
            member = members[unit.member]
            check = check or member.content.check()
            check.feed(data)
            digest = None
            if unit.last:
                check.finish()
                digest, check = check.sha256, None
                member.content.release()
            yield Piece(unit.member, unit.start, data, unit.last, digest)
            del data
            held -= unit.bytes
            window.adapt()
    finally:
        own.cancel()
        threads.end([future for _, future in waiting])


def _units(members: Sequence[Member], unit_bytes: int) -> Iterator[_Unit]:
    for index, member in enumerate(members):
        for start in range(0, max(member.bytes, 1), unit_bytes):
            size = min(unit_bytes, member.bytes - start)
            yield _Unit(index, start, size, last=start + size == member.bytes)


def _fetching(
    member: Member,
    unit: _Unit,
    cancel: CancelToken,
    throttle: Throttle | None,
    window: Window,
    arriving: Arriving,
) -> Callable[[], _Data]:
    """Return what fetches the bytes of a unit."""

    def fetch() -> _Data:
        cancel.check()
        # Filled in place: of pieces that are joined at the end, all would for a while be there twice.
        room = Room(unit.bytes)
        for piece in member.content.read_part(unit.start, unit.bytes, cancel):
            cancel.check()
            if throttle is not None and member.origin is not None:  # what is made here was slowed down as it came
                throttle.take(len(piece), cancel)
            if room.filled + len(piece) > unit.bytes:
                raise _other_size(member, "is longer")
            room.write(piece)
            window.note(len(piece))
            if member.origin is not None:
                arriving(len(piece), member.path)
        if room.filled < unit.bytes:
            raise _other_size(member, f"ends after {unit.start + room.filled:,}")
        return room.taken()

    return fetch


def _other_size(member: Member, but: str) -> SagewizardError:
    return SagewizardError(
        f"{member.path} was listed with {member.bytes:,} bytes but {but}.",
        fix="It changed since it was listed. Run the command again.",
    )


class _Threads:
    """Threads that do what is handed in, in turn; not more of them than there is to do.

    They do not keep the program from ending: a read that hangs (a disk of the network's, say) may never return.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], _Data], Future[_Data]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._free = threading.Semaphore(0)

    def submit(self, job: Callable[[], _Data]) -> "Future[_Data]":
        future: Future[_Data] = Future()
        self._jobs.put((job, future))
        if not self._free.acquire(blocking=False) and len(self._threads) < _THREADS:
            thread = threading.Thread(target=self._work, name="read-ahead", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def end(self, unwanted: "Sequence[Future[_Data]]") -> None:
        """Take no more jobs, drop those that are waiting, and wait a moment for those that have begun."""
        for future in unwanted:
            future.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + _END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except BaseException as error:  # noqa: BLE001 - raised where the result is taken
                    future.set_exception(error)
            del item, job, future  # which hold bytes
            self._free.release()
