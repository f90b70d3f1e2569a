"""The artifact's tar as a stream of bytes, and where it is cut into parts that are packed and stored one by one.

Where the parts lie follows from the members' paths and sizes alone, so a run that goes on where another was cut off
finds the same parts. The format is GNU's: long and non-ASCII names and sizes beyond 8 GB are read by `tar`, by Python
and by AWS. https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

import builtins
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

PART_BYTES: Final = 16 * 2**20
"""Bytes of tar in a part, unless the archive is so large that there would be too many."""
FRESH_BYTES: Final = 8 * 2**20
"""Bytes that a part holds at least when it ends early so that the next member begins a fresh one."""
MOST_PARTS: Final = 9_990
"""S3 takes 10,000. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
_FULL_PARTS: Final = 9_000  # the others are for parts that end early
_MIB: Final = 2**20


class Entry(Protocol):
    """What the tar says of a member: its path (`/` between parts) and its size in bytes."""

    @property
    def path(self) -> str:
        """The member's name in the tar."""

    @property
    def bytes(self) -> int:
        """How long its content is."""


class ContentPiece(Protocol):
    """A piece of the members' content, in order; `last` when a member's content ends with it."""

    @property
    def data(self) -> builtins.bytes | memoryview:
        """The bytes: any number of them."""

    @property
    def last(self) -> bool:
        """Whether the member's content ends here."""


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """A part of the tar: `bytes` of it from offset `start`; `number` counts from 1.

    `first` is the index of the member whose header, content or padding the part begins with. When the part
    `begins_member`, it begins with the member's header: packing can begin here, knowing nothing of what was before.
    """

    number: int
    start: int
    bytes: int
    first: int
    begins_member: bool

    @property
    def end(self) -> int:
        """The offset in the tar just after the part."""
        return self.start + self.bytes


def header(entry: Entry) -> bytes:
    """Return what stands before a member's content: fixed mode, no time, no owner; whole blocks of 512 bytes."""
    info = tarfile.TarInfo(entry.path)  # time, owner and group are 0 and nameless from the start
    info.size = entry.bytes
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def padding(entry: Entry) -> int:
    """Return how many zero bytes stand after a member's content."""
    return -entry.bytes % tarfile.BLOCKSIZE


def tar_bytes(entries: Iterable[Entry]) -> int:
    """Return the length of the whole tar in bytes."""
    content = sum(map(_span, entries))
    return content + _end_bytes(content)


def part_bytes_for(total: int) -> int:
    """Return how many bytes of a tar of `total` bytes a part holds: whole MiB, and at most 9,000 full parts."""
    return max(PART_BYTES, -(-total // (_FULL_PARTS * _MIB)) * _MIB)


def archive_parts(
    entries: Iterable[Entry], part_bytes: int, *, fresh_bytes: int = FRESH_BYTES
) -> tuple[ArchivePart, ...]:
    """Return the parts that the tar of `entries` is cut into, in order; they cover it without a gap.

    A part ends when it holds `part_bytes`, or up to `fresh_bytes` later when a member ends by then; and it ends before
    a member when it holds `fresh_bytes` by then, unless there were more than 9,990 parts. So whatever follows a member
    of `fresh_bytes` begins a fresh part. Every part but the last has at least the smaller of the two; what ends the tar
    (up to 21 blocks of 512 bytes) comes on top in the last.
    """
    spans = [_span(entry) for entry in entries]
    content = sum(spans)
    early = MOST_PARTS - -(-content // part_bytes)  # how many parts may end early
    begun = [(0, 0, bool(spans))]  # offset, member, and whether it is that member's header that stands there
    at = 0
    for index, span in enumerate(spans):
        held = at - begun[-1][0]
        if held >= part_bytes or (held >= fresh_bytes and early > 0):
            early -= held < part_bytes
            begun.append((at, index, True))
        at += span
        while begun[-1][0] + part_bytes + fresh_bytes <= at:
            begun.append((begun[-1][0] + part_bytes, index, False))
    ends = [start for start, _, _ in begun[1:]] + [content + _end_bytes(content)]
    return tuple(
        ArchivePart(number, start, end - start, first, begins)
        for number, ((start, first, begins), end) in enumerate(zip(begun, ends, strict=True), start=1)
    )


def parts_of(
    entries: Sequence[Entry], layout: Sequence[ArchivePart], pieces: Iterable[ContentPiece], *, first: int = 0
) -> Iterator[tuple[ArchivePart, memoryview]]:
    """Yield the tar's bytes in order, each with the part that it belongs to, from the part `layout[first]` on.

    `pieces` are the contents of `entries` from the member on that this part begins with. Nothing is copied, and a part
    has as many items as it happens to consist of: whoever packs it need not hold it whole.

    Raises:
        ValueError: the part is not one that begins a member; or the pieces are not as long as was stated.
    """
    if first and not layout[first].begins_member:
        raise ValueError(f"part {layout[first].number} begins in the midst of a member")
    index, room = first, layout[first].bytes
    for data in _stream(entries[layout[first].first :], layout[-1].end, layout[first].start, pieces):
        view = memoryview(data)
        while len(view):
            if not room:
                index += 1
                room = layout[index].bytes
            yield layout[index], view[:room]
            room, view = room - len(view[:room]), view[room:]


def _stream(
    entries: Iterable[Entry], end: int, at: int, pieces: Iterable[ContentPiece]
) -> Iterator[bytes | memoryview]:
    """Yield the tar from offset `at` to its `end`: headers, contents, padding, and the zeros that end it."""
    pieces = iter(pieces)
    for entry in entries:
        head = header(entry)
        yield head
        passed = 0
        for piece in pieces:
            passed += len(piece.data)
            yield piece.data
            if piece.last:
                break
        if passed != entry.bytes:
            raise ValueError(f"{entry.path}: {passed} bytes came where {entry.bytes} were stated")
        yield bytes(padding(entry))
        at += len(head) + passed + padding(entry)
    yield bytes(end - at)


def _span(entry: Entry) -> int:
    return len(header(entry)) + entry.bytes + padding(entry)


def _end_bytes(content: int) -> int:
    """Two blocks of zeros, and as many more as make the tar a multiple of tar's own unit of writing."""
    return 2 * tarfile.BLOCKSIZE + -(content + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE
