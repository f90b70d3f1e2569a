"""Contents of a model's files for tests: ones that come from far away, and ones that lie in a folder."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.models.content import ContentCheck
from core.models.facts import ModelFile

_PIECE = 1000


class FarContent:
    """A file as a source far away gives it: part by part, in pieces. What it is asked for is counted."""

    def __init__(self, file: ModelFile, data: bytes) -> None:
        self.file, self.data = file, data
        self.asked: list[tuple[int, int]] = []
        self.released = 0

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the part in pieces."""
        self.asked.append((start, length))
        piece = max(_PIECE, length // 100)
        for begin in range(start, start + length, piece):
            cancel.check()
            yield self.data[begin : min(begin + piece, start + length)]

    def check(self) -> ContentCheck:
        """Return the check of a whole pass."""
        return ContentCheck(self.file, self.file.path, "Try again.")

    def release(self) -> None:
        """Count that it is not needed any more."""
        self.released += 1

    @property
    def whole_passes(self) -> int:
        """How often all of it was asked for at once, or one part after another."""
        return sum(length for _, length in self.asked) // max(1, len(self.data))


class StreamedContent(FarContent):
    """A file as a source far away gives it, which is not held in memory here."""

    def __init__(self, file: ModelFile, place: Path) -> None:
        super().__init__(file, b"")
        self._place = place

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the part in pieces of 1 MiB."""
        self.asked.append((start, length))
        with self._place.open("rb") as file:
            file.seek(start)
            for begin in range(0, length, 2**20):
                cancel.check()
                yield file.read(min(2**20, length - begin))


class NearContent(StreamedContent):
    """A file that lies in a folder of this machine."""

    def __init__(self, file: ModelFile, path: Path) -> None:
        super().__init__(file, path)
        self.path = path


def far_member(path: str, data: bytes, **known: str | None) -> Member:
    """A file of a repository; its digest is known unless `known` says otherwise."""
    file = ModelFile(path, len(data), **{"sha256": hashlib.sha256(data).hexdigest(), **known})
    return Member(path, len(data), FarContent(file, data), file)


def near_member(folder: Path, path: Path, sha256: str | None = None) -> Member:
    """A file of a folder, by its size and, if given, its digest."""
    file = ModelFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256=sha256)
    return Member(file.path, file.bytes, NearContent(file, path), file)


def far_members(folder: Path) -> tuple[Member, ...]:
    """The files of a folder as those of a repository far away."""
    return tuple(far_member(path.relative_to(folder).as_posix(), path.read_bytes()) for path in _files(folder))


def streamed_members(folder: Path) -> tuple[Member, ...]:
    """The files of a folder as those of a repository far away, none of them held in memory."""
    return tuple(
        Member(file.path, file.bytes, StreamedContent(file, path), file)
        for path in _files(folder)
        for file in [ModelFile(path.relative_to(folder).as_posix(), path.stat().st_size)]
    )


def near_members(folder: Path) -> tuple[Member, ...]:
    """The files of a folder as those of a model that lies there."""
    return tuple(near_member(folder, path) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
