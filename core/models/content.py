"""The content of one file of a model: read in parts, from several threads, and checked as all of it passes once."""

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

from core.cancellation import CancelToken
from core.errors import SagewizardError
from core.models.facts import ModelFile


class ContentCheck:
    """Counts and digests the bytes of one file as they pass in order, and compares with what the file should have.

    `where` names the file in errors, `fix` is what they say to do.
    """

    def __init__(self, file: ModelFile, where: str, fix: str) -> None:
        self._file = file
        self._where = where
        self._fix = fix
        self._sha256 = hashlib.sha256()
        # Git's blob id: the SHA-1 of a header with the length, and the content.
        self._blob: Any = None
        if file.git_sha1:
            self._blob = hashlib.sha1(b"blob %d\0" % file.bytes, usedforsecurity=False)
        self.size = 0
        """How many bytes have passed."""

    @property
    def complete(self) -> bool:
        """Whether as many bytes have passed as there should be."""
        return self.size >= self._file.bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 (hex) of what has passed."""
        return self._sha256.hexdigest()

    def feed(self, piece: bytes | memoryview) -> None:
        """Take in the next bytes.

        Raises:
            SagewizardError: they are more than there should be.
        """
        self.size += len(piece)
        if self.size > self._file.bytes:
            raise wrong_size(self._file, self._where, self._fix, self.size)
        self._sha256.update(piece)
        if self._blob is not None:
            self._blob.update(piece)

    def finish(self) -> None:
        """Compare, once all bytes have passed.

        Raises:
            SagewizardError: the size or a digest is another one than was listed.
        """
        if self.size != self._file.bytes:
            raise wrong_size(self._file, self._where, self._fix, self.size)
        wrong = self._file.sha256 and self._file.sha256 != self.sha256
        if wrong or (self._blob is not None and self._blob.hexdigest() != self._file.git_sha1):
            raise SagewizardError(f"{self._where} is not what was listed: its checksum differs.", fix=self._fix)


class Content(Protocol):
    """The content of one file. Safe to use from several threads."""

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield `length` bytes from position `start` on, in pieces of any size; what is cut is taken up again.

        No more than that are ever yielded, and fewer only with an error. The digest is not checked: whoever reads all
        of it does that.

        Raises:
            SagewizardError: it cannot be read, or ends before.
            CancelledByUser: stopping was asked for.
        """
        ...

    def check(self) -> ContentCheck:
        """Return a check for one pass over the whole content."""
        ...

    def release(self) -> None:
        """Take note that nothing of it will be read any more."""
        ...


class HeldContent:
    """Content that is in memory; `name` is what errors call it."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield a part; see `Content.read_part`."""
        cancel.check()
        yield self._data[start : start + length]

    def check(self) -> ContentCheck:
        """Return a check of its length."""
        return ContentCheck(ModelFile(self._name, len(self._data)), self._name, "Try again.")

    def release(self) -> None:
        """Do nothing."""


def wrong_size(file: ModelFile, where: str, fix: str, size: int) -> SagewizardError:
    """Return the error for a file that has `size` bytes, or more, and should not; the rest as in `ContentCheck`."""
    if size > file.bytes:
        return SagewizardError(f"{where} is larger than the {file.bytes:,} bytes it should have.", fix=fix)
    return SagewizardError(f"{where} has {size:,} bytes instead of {file.bytes:,}.", fix=fix)


def whole(content: Content, length: int, cancel: CancelToken) -> Iterator[bytes]:
    """Yield all `length` bytes of a content, seen to be what is known of it once the last piece has passed.

    Raises:
        SagewizardError: it cannot be read, or is not what was listed.
        CancelledByUser: stopping was asked for.
    """
    check = content.check()
    for piece in content.read_part(0, length, cancel):
        cancel.check()
        check.feed(piece)
        yield piece
    check.finish()
