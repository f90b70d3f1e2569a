"""Where the bytes of a model's files come from: the Hub or S3, by streams taken up again when cut, or a folder.

Every byte passes through a check of size and digest: plain HTTP of the Hub checks sizes only, and a flipped byte would
go all the way to the endpoint. Of objects in S3 no digest is known; their size and the etag of their version are.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from core.cancellation import CancelToken
from core.errors import AccessError, NotFoundError, SagewizardError
from core.models.facts import ModelFile
from core.models.hub import HubClient
from core.models.paths import refuse_odd_paths
from core.models.reference import HubReference, ModelReference, S3Reference
from core.models.stored_objects import ObjectStore, StreamCutError

_CHUNK: Final = 1 << 20
_MOST_CUTS: Final = 5
"""How often in a row a stream may be cut without one new byte having come."""


class FileSource(Protocol):
    """Reads the files of one model."""

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the content of `file` in pieces.

        Raises:
            SagewizardError: it cannot be read, or what came is not what `file` says; then, for a wrong digest, after
                the last piece.
            CancelledByUser: stopping was asked for.
        """
        ...


def open_source(
    reference: ModelReference, revision: str | None, hub: HubClient, objects: ObjectStore | None = None
) -> FileSource:
    """Return the source of the files of a model at a commit (`None` for what has none); nothing is read yet.

    `objects` is where `s3://` is read.

    Raises:
        AccessError: a model in S3, and nothing to read it with.
        SagewizardError: a model on the Hub without a commit: its files could change between two requests.
    """
    if isinstance(reference, HubReference):
        if revision is None:
            raise SagewizardError(f"No commit of {reference} is known.", fix="Look at the model again.")
        return HubSource(reference.repository, revision, hub)
    if isinstance(reference, S3Reference):
        if objects is None:
            raise AccessError(
                f"Reading {reference} needs an AWS account.",
                fix="Configure credentials (`aws configure`, or --profile), or use --sandbox.",
            )
        return S3Source(reference, objects)
    return FolderSource(reference.path)


class HubSource:
    """Reads files of one commit of a repository on the Hub, without a copy on disk."""

    def __init__(self, repository: str, revision: str, hub: HubClient) -> None:
        self.repository = repository
        self.revision = revision
        self._hub = hub

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the content of `file`; see `FileSource.read`."""
        refuse_odd_paths([file.path], self.repository)
        check = _Check(
            file, f"{file.path} of {self.repository}", "Try again; the file may have been damaged on its way."
        )

        def opened(start: int) -> AbstractContextManager[Iterator[bytes]]:
            return self._hub.stream(self.repository, self.revision, file.path, start=start, cancel=cancel)

        yield from _resumed(opened, self._hub.interrupted, check, self._hub.pause, cancel)


class S3Source:
    """Reads the objects below a prefix in S3, without a copy on disk.

    A file's etag holds all of its bytes to the version that was listed. `pause` is how many seconds pass before a cut
    stream is taken up again; doubled each time.
    """

    def __init__(self, reference: S3Reference, objects: ObjectStore, *, pause: float = 0.5) -> None:
        self.reference = reference
        self._objects = objects
        self._pause = pause

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the content of `file`; see `FileSource.read`."""
        refuse_odd_paths([file.path], str(self.reference))
        check = _Check(file, f"{self.reference}{file.path}", "It changed since it was looked at: make the plan anew.")
        bucket, key = self.reference.bucket, f"{self.reference.prefix}{file.path}"

        def opened(start: int) -> AbstractContextManager[Iterator[bytes]]:
            return self._objects.stream(bucket, key, start, file.etag, cancel)

        def interrupted(error: BaseException) -> SagewizardError | None:
            # Without an etag the rest could be of another version than what has passed already.
            return error if isinstance(error, StreamCutError) and file.etag else None

        yield from _resumed(opened, interrupted, check, self._pause, cancel)


class FolderSource:
    """Reads files below a folder, and notices when they change meanwhile."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[str, tuple[int, int]] = {}

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the content of `file`; see `FileSource.read`."""
        refuse_odd_paths([file.path], str(self.root))
        path = self.root / file.path
        check = _Check(file, str(path), "It changed since it was looked at: make the plan anew.")
        gone = NotFoundError(f"{path} is not there any more.", fix="Put it back, or make the plan anew.")
        if not path.is_file():  # a pipe in its place would block when opened
            raise gone
        try:
            with path.open("rb") as opened:
                self._expect_unchanged(file.path, path, os.fstat(opened.fileno()))
                while piece := opened.read(_CHUNK):
                    cancel.check()
                    check.feed(piece)
                    yield piece
                self._expect_unchanged(file.path, path, os.fstat(opened.fileno()))
        except FileNotFoundError as error:
            raise gone from error
        except PermissionError as error:
            raise AccessError(f"{path} may not be read.", fix="Check its permissions.") from error
        except OSError as error:
            raise SagewizardError(f"{path} cannot be read: {error.strerror}.", fix="Check the disk.") from error
        check.finish()

    def _expect_unchanged(self, name: str, path: Path, status: Any) -> None:
        """Compare a file's size and time of change with those it had when this source first saw it."""
        now = (status.st_size, status.st_mtime_ns)
        if self._seen.setdefault(name, now) != now:
            raise SagewizardError(f"{path} changed while it was being packaged.", fix="Try again when it is finished.")


def _resumed(
    opened: Callable[[int], AbstractContextManager[Iterator[bytes]]],
    interrupted: Callable[[BaseException], SagewizardError | None],
    check: "_Check",
    pause: float,
    cancel: CancelToken,
) -> Iterator[bytes]:
    """Yield a whole file, from streams that `opened` gives from a position on; one that is cut is taken up again.

    `interrupted` returns the program's own error for a cut, `None` for any other error.
    """
    cuts = 0
    while True:
        before = check.size
        cut: SagewizardError | None = None
        try:
            with opened(before) as pieces:
                for piece in pieces:
                    cancel.check()
                    check.feed(piece)
                    yield piece
        except Exception as error:
            cut = interrupted(error)
            if cut is None:
                raise
        if cut is None and check.complete:
            break
        cuts = 1 if check.size > before else cuts + 1
        if cuts >= _MOST_CUTS:
            if cut is not None:
                raise cut
            break
        cancel.wait(pause * 2 ** (cuts - 1))
    check.finish()


class _Check:
    """Counts and digests bytes as they pass, and compares with what a file should have."""

    def __init__(self, file: ModelFile, where: str, fix: str) -> None:
        self._file = file
        self._where = where
        self._fix = fix
        self.size = 0
        self._digests: list[tuple[Any, str]] = []
        if file.sha256:
            self._digests.append((hashlib.sha256(), file.sha256))
        if file.git_sha1:
            # Git's blob id: the SHA-1 of a header with the length, and the content.
            blob = hashlib.sha1(b"blob %d\0" % file.bytes, usedforsecurity=False)
            self._digests.append((blob, file.git_sha1))

    @property
    def complete(self) -> bool:
        """Whether as many bytes have passed as there should be."""
        return self.size >= self._file.bytes

    def feed(self, piece: bytes) -> None:
        """Take in the next bytes; those beyond the size are refused before they are passed on."""
        self.size += len(piece)
        if self.size > self._file.bytes:
            raise SagewizardError(
                f"{self._where} is larger than the {self._file.bytes:,} bytes it should have.", fix=self._fix
            )
        for digest, _ in self._digests:
            digest.update(piece)

    def finish(self) -> None:
        """Compare once all bytes have passed."""
        if self.size != self._file.bytes:
            raise SagewizardError(
                f"{self._where} has {self.size:,} bytes instead of {self._file.bytes:,}.", fix=self._fix
            )
        if any(digest.hexdigest() != expected for digest, expected in self._digests):
            raise SagewizardError(f"{self._where} is not what was listed: its checksum differs.", fix=self._fix)
