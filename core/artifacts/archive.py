"""The artifact as `model.tar.gz`, written as a stream: members → tar → gzip → file.

The same members give the same bytes on the same machine: order, times, owners and modes are fixed, and the gzip header
holds neither a time nor a name. (Another processor's instructions may compress otherwise; what is inside is the same.)
The tar format is GNU's: long and non-ASCII names and sizes beyond 8 GB are read by `tar`, by Python and by AWS.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.artifacts.staging import staged
from core.artifacts.tree import Member, PacedProgress, Progress
from core.cancellation import CancelToken
from core.errors import UsageError

__all__ = ["Packed", "PackedFile", "Progress", "write_archive"]

_LEVEL = 1  # weights hardly compress at any level; this one keeps up with a disk
_BLOCK = 2**20  # each block is compressed by itself, so its borders are part of what makes the bytes the same
_MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class PackedFile:
    """One file as it was packed; `name` is its path in the artifact."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Packed:
    """An artifact on disk. `bytes` is the size of what lies at `path`.

    `sha256` is of the archive; of a folder it is of its list of files as `sha256sum` would print it, sorted.
    """

    path: Path
    bytes: int
    sha256: str
    files: tuple[PackedFile, ...]


def write_archive(members: Iterable[Member], path: Path, *, progress: Progress, cancel: CancelToken) -> Packed:
    """Write `members` as a gzipped tar to `path`, in one piece or not at all; a file there is replaced.

    Memory stays within a few blocks whatever the size. `progress` counts the members' bytes.

    Raises:
        UsageError: `path` is a folder.
        SagewizardError: a member cannot be read or changed, or the disk is full.
        CancelledByUser: stopping was asked for.
    """
    members = tuple(members)
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", fix="Give the archive's own path, ending in .tar.gz.")
    paced = PacedProgress(progress, sum(member.bytes for member in members))
    with staged(path) as temporary:
        with temporary.open("xb") as file:
            sink = _DigestingSink(file)
            _compress(_tar(members, paced, cancel), sink)
            file.flush()
            os.fsync(file.fileno())
        cancel.check()
    paced.finish()
    files = tuple(PackedFile(member.path, member.bytes) for member in members)
    return Packed(path, sink.bytes, sink.sha256, files)


class _DigestingSink:
    """Writes to a file and digests what it writes. `igzip_threaded` needs `write` and `flush` of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _tar(members: Iterable[Member], paced: PacedProgress, cancel: CancelToken) -> Iterator[bytes]:
    written = 0
    for member in members:
        header = _header(member)
        yield header
        for chunk in member.chunks(cancel):
            yield chunk
            paced.add(len(chunk))
        padding = -member.bytes % tarfile.BLOCKSIZE
        yield bytes(padding)
        written += len(header) + member.bytes + padding
    end = 2 * tarfile.BLOCKSIZE
    yield bytes(end + -(written + end) % tarfile.RECORDSIZE)


def _header(member: Member) -> bytes:
    info = tarfile.TarInfo(member.path)  # time, owner and group are 0 and nameless from the start
    info.size = member.bytes
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def _compress(pieces: Iterator[bytes], sink: _DigestingSink) -> None:
    from isal import igzip_threaded

    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    gzip = igzip_threaded.open(sink, "wb", compresslevel=_LEVEL, threads=threads, block_size=_BLOCK)
    try:
        for block in _in_blocks(pieces):
            gzip.write(block)
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell of; this only ends the threads
            gzip.close()
        raise
    gzip.close()


def _in_blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream into blocks of one size, wherever its pieces end."""
    held = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        while len(held) + len(view) >= _BLOCK:
            taken = _BLOCK - len(held)
            yield bytes(view[:taken]) if not held else bytes(held + view[:taken])
            held, view = bytearray(), view[taken:]
        held += view
    if held:
        yield bytes(held)
