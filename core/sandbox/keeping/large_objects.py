"""Objects that are too large for memory: read in pieces from their file, and put together in one from their parts."""

import hashlib
import mmap
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from core.sandbox.keeping.checksums import COMPOSITE, encoded, joined, kind_of, of_parts
from core.sandbox.keeping.refusals import invalid_argument

_CHUNK: Final = 1024 * 1024
_MOST_PARTS: Final = 10_000


class FileBytes:
    """Bytes of a file in the place of `bytes`, as far as moto and WSGI use them: their number, slices, an iteration.

    The file is opened at once, so that it may be unlinked meanwhile, and closed with the last piece.
    """

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._path = path
        self._start = start
        self._left = max(0, stop - start)
        self._file = path.open("rb")

    def __len__(self) -> int:
        return self._left

    def __getitem__(self, wanted: slice) -> "FileBytes":
        start, stop, _ = wanted.indices(self._left)
        part = FileBytes(self._path, self._start + start, self._start + stop)
        self.close()
        return part

    def __iter__(self) -> Iterator[bytes]:
        try:
            self._file.seek(self._start)
            left = self._left
            while left and (piece := self._file.read(min(_CHUNK, left))):
                left -= len(piece)
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def mapped(path: Path) -> memoryview:
    """Return the bytes of a file in the place of `bytes`, without reading them; the file may be unlinked meanwhile."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def pieces_of(data: Any) -> Iterator[Any]:
    """Yield bytes that are in memory, or mapped, in pieces."""
    view = memoryview(data)
    return (view[start : start + _CHUNK] for start in range(0, len(view), _CHUNK))


def check_number(number: int) -> None:
    """Return when a part may have that number.

    Raises:
        RefusedRequestError: it may not.
    """
    if not 1 <= number <= _MOST_PARTS:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive")


def multipart_class(base: Any, new_path: Callable[[], Path], kept: Callable[[Path], Any], take: Any) -> Any:
    """Return moto's class of uploads in parts, each of which is a file, and that puts them together in another one.

    `new_path` gives the file its name; `kept` makes of it what stands for an object's bytes. `take` is told the bytes
    of a part that is copied from an object, and the algorithm of its checksum, and has them ready for the part.
    """

    class KeptMultipart(base):  # type: ignore[misc, unused-ignore] # moto has no types
        @property
        def algorithm(self) -> str | None:
            """The algorithm of the checksum that every part has; `None` when none was asked for."""
            return self.metadata.get("x-amz-checksum-algorithm") or None

        @property
        def kind(self) -> str:
            """The kind of checksum that the object gets; empty when none was asked for."""
            return kind_of(self.algorithm, self.metadata.get("x-amz-checksum-type")) if self.algorithm else ""

        def checksum_of(self, parts: Sequence[Any]) -> str | None:
            """Return the checksum of an object made of these parts, as S3 tells it but for their number."""
            algorithm = self.algorithm
            if algorithm is None:
                return None
            if self.kind == COMPOSITE:
                return encoded(of_parts(algorithm, [part.checksums[algorithm] for part in parts]))
            return encoded(joined(algorithm, [(part.checksums[algorithm], part.contentsize) for part in parts]))

        def complete(self, body: Iterable[tuple[int, str]]) -> tuple[Any, str, tuple[str, str, int] | None]:
            """Return the object's bytes, its ETag and its checksum, as moto's own does: its refusals are the same."""
            parts = self._checked(list(body))
            path, md5s = new_path(), bytearray()
            with path.open("xb", buffering=0) as file:
                for part in parts:
                    _append(part.file, file)
                    md5s += bytes.fromhex(part.etag.replace('"', ""))
            checksum = self.checksum_of(parts)
            told = (self.kind, checksum, len(parts) if self.kind == COMPOSITE else 1) if checksum else None
            return kept(path), f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}", told

        def set_part(self, part_id: int, value: Any) -> Any:
            """Have a part; its bytes are those that came with the request unless some of an object are given."""
            if not isinstance(value, bytes):
                take(value, self.algorithm)
            return super().set_part(part_id, b"")

        def list_parts(self, part_number_marker: int, max_parts: int) -> Iterator[Any]:
            """Return the parts behind a number; moto takes it for a place among them."""
            numbers = sorted(number for number in list(self.parts) if number > part_number_marker)
            return (self.parts[number] for number in numbers[:max_parts])

        def _checked(self, wanted: list[tuple[int, str]]) -> list[Any]:
            from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
            from moto.settings import S3_UPLOAD_PART_MIN_SIZE

            if not wanted:
                raise MalformedXML
            parts: list[Any] = []
            for number, etag in wanted:
                part = self.parts.get(number)
                if part is None or part.etag.replace('"', "") != etag.replace('"', ""):
                    raise InvalidPart
                if parts and parts[-1].contentsize < S3_UPLOAD_PART_MIN_SIZE:
                    raise EntityTooSmall
                parts.append(part)
            return parts

    return KeptMultipart


def _append(source: Path, file: Any) -> None:
    """Copy a file to the end of another one, without its bytes passing through Python where the system can do that."""
    from moto.s3.exceptions import InvalidPart

    try:
        part = source.open("rb", buffering=0)
    except FileNotFoundError:  # replaced, or dropped, since it was looked up
        raise InvalidPart from None
    with part:
        if hasattr(os, "copy_file_range"):
            try:
                while os.copy_file_range(part.fileno(), file.fileno(), 1 << 30):
                    pass
            except OSError:  # not between these file systems: the rest goes the other way
                pass
        shutil.copyfileobj(part, file, _CHUNK)
