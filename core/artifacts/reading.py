"""The contents of an artifact's members, read ahead by several threads and given out in order, checked as they pass.

What is under way is bounded by its bytes, so that of small files many are fetched at once, and of large ones few parts.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, cast

from core.artifacts.tree import Member
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


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a member, given by its index: `data` from position `start` on.

    `last`: the member ends with it, and was seen to be what was listed; then `sha256` (hex) is that of its content.
    """

    member: int
    start: int
    data: bytes
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
) -> Generator[Piece, None, None]:
    """Yield the contents of the members, one after the other, in pieces of at most `unit_bytes`.

    At most `window_bytes` are held (or one piece, if that is more), beside the one that was yielded last. A member's
    last piece is yielded once all of it was seen to be what was listed. An empty member has one empty piece. Closing
    the iterator ends what is under way.

    Raises:
        SagewizardError: a member cannot be read, or is not what was listed.
        CancelledByUser: stopping was asked for.
    """
    own = cancel.child()
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read")
    waiting: deque[tuple[_Unit, Future[bytes]]] = deque()
    held = 0
    units = _units(members, unit_bytes)
    following = next(units, None)
    check: ContentCheck | None = None
    try:
        while waiting or following:
            while following and len(waiting) < _MOST_UNITS and (not waiting or held + following.bytes <= window_bytes):
                waiting.append((following, pool.submit(_fetch, members[following.member], following, own, throttle)))
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
            held -= unit.bytes
            yield Piece(unit.member, unit.start, data, unit.last, digest)
            del data
    finally:
        own.cancel()
        pool.shutdown(cancel_futures=True)


def _units(members: Sequence[Member], unit_bytes: int) -> Iterator[_Unit]:
    for index, member in enumerate(members):
        for start in range(0, max(member.bytes, 1), unit_bytes):
            size = min(unit_bytes, member.bytes - start)
            yield _Unit(index, start, size, last=start + size == member.bytes)


def _fetch(member: Member, unit: _Unit, cancel: CancelToken, throttle: Throttle | None) -> bytes:
    """Return the bytes of a unit."""
    found, size = bytearray(unit.bytes), 0  # filled in place: joined pieces would be there twice
    for piece in member.content.read_part(unit.start, unit.bytes, cancel):
        cancel.check()
        if throttle is not None:
            throttle.take(len(piece), cancel)
        if size + len(piece) > unit.bytes:
            raise _other_size(member, "is longer")
        found[size : size + len(piece)] = piece
        size += len(piece)
    if size < unit.bytes:
        raise _other_size(member, f"ends after {unit.start + size:,}")
    return cast(bytes, found)  # nobody changes it any more


def _other_size(member: Member, but: str) -> SagewizardError:
    return SagewizardError(
        f"{member.path} was listed with {member.bytes:,} bytes but {but}.",
        fix="It changed since it was listed. Run the command again.",
    )
