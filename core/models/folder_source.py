"""The files of a model in a local folder, and whether they change while they are read."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.cancellation import CancelToken
from core.errors import AccessError, NotFoundError, SagewizardError
from core.models.content import ContentCheck, whole, wrong_size
from core.models.facts import ModelFile
from core.models.paths import refuse_odd_paths

_AT_ONCE: Final = 2**20
"""Bytes that are read at once."""
_ANEW: Final = "It changed since it was looked at: make the plan anew."


class FolderSource:
    """Reads files below a folder, and notices when they change meanwhile."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._watch = FileWatch()

    def content(self, file: ModelFile) -> "LocalContent":
        """Return the content of `file`; see `FileSource.content`."""
        refuse_odd_paths([file.path], str(self.root))
        return LocalContent(self.root / file.path, file, self._watch)

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the content of `file`; see `FileSource.read`."""
        return whole(self.content(file), file.bytes, cancel)

    def stamp(self, file: ModelFile) -> str:
        """Return what tells the file's present state from a later one, which is not read any more; empty without one.

        It is made of the size, both times of change and the file's number on its disk: tools may set one time back.
        """
        path = self.root / file.path
        try:
            status = path.stat()
        except OSError:
            return ""
        self._watch.expect_unchanged(path, status)
        return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


class FileWatch:
    """Remembers in which state it first saw each file. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[Path, tuple[int, int]] = {}

    def expect_unchanged(self, path: Path, status: os.stat_result) -> None:
        """Compare a file's size and time of change with those it had when it was first seen.

        Raises:
            SagewizardError: they are others.
        """
        now = (status.st_size, status.st_mtime_ns)
        with self._lock:
            before = self._seen.setdefault(path, now)
        if before != now:
            raise SagewizardError(f"{path} changed while it was being packaged.", fix="Try again when it is finished.")


class FileOnDisk:
    """Content that is a file on this machine. `fix` is what helps when it is not what was listed, `gone` when it left.

    No handle is held between two parts. The file must stay as `watch` saw it first.
    """

    def __init__(self, path: Path, file: ModelFile, watch: FileWatch, *, fix: str, gone: str) -> None:
        self._path = path
        self._file = file
        self._watch = watch
        self._fix = fix
        self._gone = gone

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield a part; see `Content.read_part`."""
        path = self._path
        gone = NotFoundError(f"{path} is not there any more.", fix=self._gone)
        if not path.is_file():  # a pipe in its place would block when opened
            raise gone
        try:
            with path.open("rb") as opened:
                status = os.fstat(opened.fileno())
                self._watch.expect_unchanged(path, status)
                if status.st_size != self._file.bytes:
                    raise wrong_size(self._file, str(path), self._fix, status.st_size)
                opened.seek(start)
                while length and (piece := opened.read(min(_AT_ONCE, length))):
                    cancel.check()
                    length -= len(piece)
                    yield piece
                self._watch.expect_unchanged(path, os.fstat(opened.fileno()))
        except FileNotFoundError as error:
            raise gone from error
        except PermissionError as error:
            raise AccessError(f"{path} may not be read.", fix="Check its permissions.") from error
        except OSError as error:
            raise SagewizardError(f"{path} cannot be read: {error.strerror}.", fix="Check the disk.") from error

    def check(self) -> ContentCheck:
        """Return a check of one pass."""
        return ContentCheck(self._file, str(self._path), self._fix)

    def release(self) -> None:
        """Do nothing: the file stays where it is."""


class LocalContent(FileOnDisk):
    """The content of a person's own file, at `path`."""

    def __init__(self, path: Path, file: ModelFile, watch: FileWatch) -> None:
        super().__init__(path, file, watch, fix=_ANEW, gone="Put it back, or make the plan anew.")
        self.path = path
