"""Files of the stand-in Hub: in memory, on disk, or so large that they are nowhere, and what a listing says of them.

Digests are worked out when they are first asked for, and once. None of the files but those given as bytes is ever held
in memory.
"""

import hashlib
import json
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

_Content = bytes  # by a name that no field has
_MOST_OF_A_GHOST: Final = 16 * 2**20
_AT_ONCE: Final = 2**20


class HubFile(ABC):
    """A file that the stand-in lists and serves. Safe to use from several threads."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many bytes it is listed with."""

    @property
    @abstractmethod
    def mark(self) -> str:
        """What tells this content from another, without a look at all of it."""

    @abstractmethod
    def pieces(self, start: int, length: int, largest: int = _AT_ONCE) -> Iterator[memoryview]:
        """Yield `length` bytes from position `start` on, in pieces of at most `largest`, each good until the next."""

    def length_of(self, start: int, length: int) -> int:
        """Return how many bytes are sent of a range."""
        return max(0, min(length, self.size - start))

    @property
    def sent_whole(self) -> int:
        """How many bytes are sent when no range is asked for."""
        return self.size

    @property
    def sha256(self) -> str:
        """The SHA-256 (hex) of the content."""
        return _sha256(self)

    @property
    def git_sha1(self) -> str:
        """The id (hex) of the content as a blob of Git."""
        return _git_sha1(self)


@cache
def _sha256(file: HubFile) -> str:
    """Return the digest, kept for all that is equal: a pass over a large file takes seconds."""
    return _digest(file, hashlib.sha256())


@cache
def _git_sha1(file: HubFile) -> str:
    return _digest(file, hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False))


def _digest(file: HubFile, into: "hashlib._Hash") -> str:
    for piece in file.pieces(0, file.size):
        into.update(piece)
    return into.hexdigest()


class Held(HubFile):
    """A file in memory. No two are equal, so that digests go with it: see `Repository`."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def mark(self) -> str:
        return self.git_sha1

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def git_sha1(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data, usedforsecurity=False).hexdigest()

    def pieces(self, start: int, length: int, largest: int = _AT_ONCE) -> Iterator[memoryview]:
        view = memoryview(self.data)[start : start + length]
        return (view[position : position + largest] for position in range(0, len(view), largest))


@dataclass(frozen=True)
class Ghost(HubFile):
    """A file that is listed with a size but is not there: for the listings of large models.

    Whole, it comes out empty; of a range that is asked for, `head` comes and then zeros, 16 MiB at most. Its digests
    are those of nothing that could be read.
    """

    bytes: int
    head: _Content = b""

    @property
    def size(self) -> int:
        return self.bytes

    @property
    def mark(self) -> str:
        return repr(self)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def git_sha1(self) -> str:
        return Held(repr(self).encode()).git_sha1

    def length_of(self, start: int, length: int) -> int:
        return max(0, min(length, self.bytes - start, _MOST_OF_A_GHOST))

    @property
    def sent_whole(self) -> int:
        return 0

    def pieces(self, start: int, length: int, largest: int = _AT_ONCE) -> Iterator[memoryview]:
        return Held(self.head[start : start + length].ljust(length, b"\0")).pieces(0, length, largest)


@dataclass(frozen=True)
class Sparse(HubFile):
    """A file of any size that is really sent, whole and by ranges: `head`, then `pattern` over and over.

    A random pattern of more than the 32 KiB that gzip looks back makes what cannot be compressed.
    """

    bytes: int
    head: _Content = b""
    pattern: _Content = b"\0"

    @property
    def size(self) -> int:
        return self.bytes

    @property
    def mark(self) -> str:
        about = hashlib.sha256(self.head + self.pattern).hexdigest()
        return f"{self.bytes} {len(self.head)} {about}"

    def pieces(self, start: int, length: int, largest: int = _AT_ONCE) -> Iterator[memoryview]:
        stop = start + length
        if start < len(self.head):
            yield from Held(self.head[:stop]).pieces(start, length, largest)
            start = min(stop, len(self.head))
        tile = self._tile
        while start < stop:
            begin = (start - len(self.head)) % len(tile)
            piece = tile[begin : begin + min(largest, stop - start)]
            yield piece
            start += len(piece)

    @cached_property
    def _tile(self) -> memoryview:
        return memoryview(self.pattern * (-(-_AT_ONCE // len(self.pattern))))


class OnDisk(HubFile):
    """A file on this machine's disk, which stays as it is now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        about = path.stat()
        self._size = about.st_size
        self._mark = f"{path.name} {about.st_size} {about.st_mtime_ns}"

    @property
    def size(self) -> int:
        return self._size

    @property
    def mark(self) -> str:
        return self._mark

    def pieces(self, start: int, length: int, largest: int = _AT_ONCE) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(min(largest, length)))
        with self.path.open("rb", buffering=0) as file:
            while length > 0:
                count = os.preadv(file.fileno(), [buffer[:length]], start)
                if not count:
                    raise EOFError(f"{self.path} has become shorter")
                yield buffer[:count]
                start, length = start + count, length - count


@dataclass(frozen=True)
class Changed:
    """A file that is listed with the size and the digests of `listed`, and has become `content` when it is fetched."""

    listed: bytes | HubFile
    content: bytes | HubFile


Content = bytes | HubFile | Changed
"""What can be put on the stand-in."""


def safetensors(shape: tuple[int, ...] = (4, 8), dtype: str = "F32", size: int = 4) -> bytes:
    """Return a small real safetensors file of one tensor."""
    length = size
    for side in shape:
        length *= side
    return safetensors_header(shape, dtype, length) + bytes(range(256)) * (length // 256) + bytes(length % 256)


def safetensors_header(shape: tuple[int, ...], dtype: str, length: int) -> bytes:
    """Return the beginning of a safetensors file of one tensor of `length` bytes, up to the tensor itself.

    https://github.com/huggingface/safetensors#format
    """
    header = json.dumps({"weight": {"dtype": dtype, "shape": list(shape), "data_offsets": [0, length]}}).encode()
    return struct.pack("<Q", len(header)) + header
