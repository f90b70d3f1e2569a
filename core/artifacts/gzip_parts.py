"""One gzip member made of parts that are compressed each by itself, so that they can be made and stored one by one.

    HEADER   part   part   …   trailer

A part is deflate data that refers to nothing before it and ends on a byte's border without a final block; the trailer
has that block, the checksum and the length. Any gzip reader reads it as what it is: one plain file.
https://www.rfc-editor.org/rfc/rfc1951 https://www.rfc-editor.org/rfc/rfc1952

A part is cut into segments that are compressed each by itself: by all processors at once, and to the same bytes
whatever pieces the data came in. A segment that hardly gets smaller is stored as it is, which is many times faster both
here and where it is unpacked.
"""

import builtins
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.artifacts.room import Room

HEADER: Final = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF])
"""No time and no name, compressed somehow, somewhere (RFC 1952, 2.3)."""
SEGMENT: Final = 2**20
"""Bytes that are compressed at once."""

_LEVEL: Final = 1  # weights hardly compress better at any other
_RAW: Final = -15  # no header, and the largest window
_SAMPLE: Final = 32 * 2**10
"""Bytes from which it is told whether a segment is worth compressing. Weights of any type come out within 0.5 % of what
the segment gives; it takes a fortieth of a millisecond, of the two thirds that noise of a segment's size would."""
_WORTH: Final = 0.975  # of the size: what gets no smaller than that is stored
_BLOCK: Final = 65_535  # what a stored block holds at most (RFC 1951, 3.2.4)
_END: Final = bytes([3, 0])  # a final block that holds nothing (RFC 1951, 3.2.6)


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """A part as it is stored: `data`; and what went into it: its checksum and how many `bytes`."""

    data: builtins.bytes | memoryview
    crc32: int
    bytes: int


@dataclass(frozen=True, slots=True)
class GzipState:
    """Checksum and length of what went into the parts so far: all that the next part and the trailer depend on."""

    crc32: int = 0
    bytes: int = 0

    def after(self, part: EncodedPart) -> "GzipState":
        """Return the state once `part` follows."""
        return GzipState(combine(self.crc32, part.crc32, part.bytes), self.bytes + part.bytes)

    @property
    def trailer(self) -> builtins.bytes:
        """What ends the file when no part follows."""
        return trailer(self.crc32, self.bytes)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a part, with its checksum; `deflated` is `None` where it is better stored as it is."""

    raw: bytes | memoryview
    deflated: bytes | None
    crc32: int


def trailer(crc32: int, length: int) -> bytes:
    """Return what ends a gzip file whose content has this checksum and this length in bytes, which may exceed 4 GiB."""
    return _END + struct.pack("<LL", crc32, length % 2**32)


def combine(first: int, second: int, second_length: int) -> int:
    """Return the CRC-32 of two pieces together from the CRC-32 of each; the second has `second_length` bytes."""
    from isal import isal_zlib

    combined: int = isal_zlib.crc32_combine(first, second, second_length)
    return combined


def encode(pieces: Sequence[bytes | memoryview], *, least: int = 0) -> EncodedPart:
    """Return the part that `pieces` make; the same bytes for the same content, whatever pieces it is in.

    The data has at least `least` bytes, or as many as went in when those are fewer: see `PartAssembly`.
    """
    assembly = PartAssembly(sum(map(len, pieces)), least)
    for raw in segments(pieces):
        assembly.add(squeeze(raw))
    return assembly.finish()


def segments(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Yield a part's content in segments, all of one size but the last; copied only where it comes in more pieces."""
    held: list[memoryview] = []
    room = SEGMENT
    for piece in pieces:
        view = memoryview(piece)
        while len(view):
            held.append(view[:room])
            view, room = view[room:], room - len(held[-1])
            if not room:
                yield _joined(held)
                held, room = [], SEGMENT
    if held:
        yield _joined(held)


def squeeze(raw: bytes | memoryview) -> Segment:
    """Compress a segment, if that is worth it. Runs beside other threads: nothing is shared, nothing is locked."""
    from isal import isal_zlib

    crc: int = isal_zlib.crc32(raw)
    if len(raw) > _SAMPLE and len(_deflate(raw[:_SAMPLE])) > _WORTH * _SAMPLE:
        return Segment(raw, None, crc)
    deflated = _deflate(raw)
    return Segment(raw, deflated if len(deflated) < _stored_bytes(len(raw)) else None, crc)


class PartAssembly:
    """Puts a part together from its segments, in order.

    What comes out has at least as many bytes as the smaller of `least` and what goes in: S3 takes no part below 5 MiB
    but the last, and a part of zeros would have less. So a segment is stored as it is, though it could be compressed,
    when otherwise not even storing all that follows would reach `least`. Which ones those are depends on the part's
    content alone.
    """

    def __init__(self, length: int, least: int = 0) -> None:
        """Begin a part that `length` bytes will go into."""
        self._length, self._least = length, least
        self._left = length
        self._out = Room(_stored_at_most(length))
        self._crc = 0

    def add(self, segment: Segment) -> None:
        """Put the next segment in."""
        self._left -= len(segment.raw)
        self._crc = combine(self._crc, segment.crc32, len(segment.raw))
        short = segment.deflated is not None and self._out.filled + len(segment.deflated) + self._left < self._least
        if segment.deflated is None or short:
            _store(segment.raw, self._out)
        else:
            self._out.write(segment.deflated)

    @property
    def complete(self) -> bool:
        """Whether all is in."""
        return not self._left

    def finish(self) -> EncodedPart:
        """Return the part.

        Raises:
            ValueError: another number of bytes went in than was stated.
        """
        if self._left:
            raise ValueError(f"{self._left} bytes of the part are missing")
        return EncodedPart(self._out.taken(), self._crc, self._length)


def _deflate(raw: bytes | memoryview) -> bytes:
    from isal import isal_zlib

    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
    begun: bytes = compressor.compress(raw)
    ended: bytes = compressor.flush(isal_zlib.Z_SYNC_FLUSH)  # to a byte's border, with no final block
    return begun + ended


def _store(raw: bytes | memoryview, out: Room) -> None:
    """Write stored blocks, each with its length and that length's complement (RFC 1951, 3.2.4)."""
    view = memoryview(raw)
    for at in range(0, len(view), _BLOCK):
        block = view[at : at + _BLOCK]
        out.write(struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF))
        out.write(block)


def _stored_bytes(length: int) -> int:
    return length + 5 * -(-length // _BLOCK)


def _stored_at_most(length: int) -> int:
    """Return what a part of `length` bytes takes at most, however it is cut into segments of 64 bytes or more."""
    return length + 5 * -(-length // 64)


def _joined(pieces: list[memoryview]) -> bytes | memoryview:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
