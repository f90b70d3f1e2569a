"""Objects that are too large for memory: read in pieces from their file, and put together in one from their parts."""

import base64
import hashlib
import mmap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

_CHUNK: Final = 1024 * 1024


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


def multipart_class(base: Any, new_path: Callable[[], Path], kept: Callable[[Path], Any]) -> Any:
    """Return moto's class of uploads in parts that puts the parts together in a file, one part in memory at a time.

    `new_path` gives the file its name; `kept` makes of it what stands for an object's bytes.
    """

    class KeptMultipart(base):  # type: ignore[misc, unused-ignore] # moto has no types
        def complete(self, body: Iterable[tuple[int, str]]) -> tuple[Any, str, tuple[str, str, int]]:
            """Return the object's bytes, its ETag and its checksum, as moto's own does: its refusals are the same."""
            parts = self._checked(list(body))
            algorithm = self.metadata.get("x-amz-checksum-algorithm") or "CRC64NVME"
            whole = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
            kind = self.metadata.get("x-amz-checksum-type") or whole
            path, md5s, checksums = new_path(), bytearray(), bytearray()
            with path.open("xb") as file:
                for part in parts:
                    value = part.value
                    file.write(value)
                    md5s += bytes.fromhex(part.etag.replace('"', ""))
                    if kind == "COMPOSITE":
                        checksums += _checksum(value, algorithm)
            if kind == "COMPOSITE":
                told = kind, _encoded(_checksum(bytes(checksums), algorithm)), len(parts)
            else:
                told = kind, _encoded(_checksum_of_file(path, algorithm)), 1
            return kept(path), f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}", told

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


def _checksum(data: Any, algorithm: str) -> bytes:
    from moto.s3.utils import compute_checksum

    found: bytes = compute_checksum(data, algorithm, encode_base64=False)
    return found


def _checksum_of_file(path: Path, algorithm: str) -> bytes:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return _checksum(b"", algorithm)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return _checksum(mapped, algorithm)


def _encoded(checksum: bytes) -> str:
    return base64.b64encode(checksum).decode()
