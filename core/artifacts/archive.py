"""The artifact as `model.tar.gz` in a file, written as a stream: members → tar → gzip → file.

The same members give the same bytes, which are those that S3 is given in parts: order, times, owners and modes are
fixed, the gzip header holds neither a time nor a name, and where the tar is cut follows from paths and sizes. (Another
processor's instructions may compress otherwise; what is inside is the same.)
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.artifacts.counter import Counter
from core.artifacts.encoding import encoded_parts
from core.artifacts.gzip_parts import HEADER, GzipState
from core.artifacts.reading import Piece, read_ahead
from core.artifacts.staging import staged
from core.artifacts.tar_stream import archive_parts, part_bytes_for, tar_bytes
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.errors import UsageError
from core.throttle import Throttle


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


def write_archive(
    members: Iterable[Member],
    path: Path,
    *,
    cancel: CancelToken,
    packed: Counter | None = None,
    throttle: Throttle | None = None,
) -> Packed:
    """Write `members` as a gzipped tar to `path`, in one piece or not at all; a file there is replaced.

    What is read ahead, two parts and 32 MiB between them are in memory, whatever the size; parts have 16 MiB, and more
    only in archives beyond 140 GiB. `packed` counts the members' bytes.

    `throttle` slows the reading down.

    Raises:
        UsageError: `path` is a folder.
        SagewizardError: a member cannot be read or changed, or the disk is full.
        CancelledByUser: stopping was asked for.
    """
    members = tuple(members)
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", fix="Give the archive's own path, ending in .tar.gz.")
    counter = packed or Counter(members)
    with staged(path) as temporary:
        with (
            temporary.open("xb") as file,
            closing(read_ahead(members, cancel=cancel, throttle=throttle, arriving=counter.ahead)) as pieces,
        ):
            sink = _DigestingSink(file)
            _pack(members, _counted(pieces, members, counter), sink)
            file.flush()
            os.fsync(file.fileno())
        cancel.check()
    files = tuple(PackedFile(member.path, member.bytes) for member in members)
    return Packed(path, sink.bytes, sink.sha256, files)


class _DigestingSink:
    """Writes to a file and digests what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self.bytes += len(data)
        self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _pack(members: tuple[Member, ...], pieces: Iterable[Piece], sink: _DigestingSink) -> None:
    layout = archive_parts(members, part_bytes_for(tar_bytes(members)))
    state = GzipState()
    with closing(encoded_parts(members, layout, pieces)) as parts, ThreadPoolExecutor(1, "write") as writer:
        writing = writer.submit(sink.write, HEADER)
        for _, part in parts:
            state = state.after(part)
            writing.result()
            writing = writer.submit(sink.write, part.data)  # while the next part is packed
        writing.result()
        sink.write(state.trailer)


def _counted(pieces: Iterable[Piece], members: tuple[Member, ...], counter: Counter) -> Iterator[Piece]:
    for piece in pieces:
        counter.add(len(piece.data), members[piece.member].path)
        yield piece
