"""Where the bytes of a model's files come from: the Hub or S3, by streams taken up again when cut, or a folder.

Every byte passes through a check of size and digest: plain HTTP of the Hub checks sizes only, and a flipped byte would
go all the way to the endpoint. Of objects in S3 no digest is known; their size and the etag of their version are.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from core.cancellation import CancelToken
from core.errors import AccessError, SagewizardError
from core.models.content import Content, ContentCheck, whole, wrong_size
from core.models.facts import ModelFile
from core.models.folder_source import FileOnDisk, FileWatch, FolderSource
from core.models.hub import HubClient
from core.models.hub_cache import cached_file
from core.models.parts import resumed
from core.models.paths import refuse_odd_paths
from core.models.reference import HubReference, ModelReference, S3Reference
from core.models.stored_objects import ObjectStore, StreamCutError

__all__ = ["FileSource", "FolderSource", "HubSource", "S3Source", "open_source"]


class FileSource(Protocol):
    """Reads the files of one model."""

    def content(self, file: ModelFile) -> Content:
        """Return the content of `file`; nothing is read yet.

        Raises:
            RefusedError: its path leads elsewhere.
        """
        ...

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
    """Reads files of one commit of a repository on the Hub, without a copy on disk; those in its local cache there."""

    def __init__(self, repository: str, revision: str, hub: HubClient) -> None:
        self.repository = repository
        self.revision = revision
        self._hub = hub
        self._watch = FileWatch()

    def content(self, file: ModelFile) -> Content:
        """Return the content of `file`; see `FileSource.content`."""
        refuse_odd_paths([file.path], self.repository)
        if cached := cached_file(self.repository, self.revision, file):
            fix = "It is a damaged copy in the local cache of the Hub: remove it, then try again."
            return FileOnDisk(cached, file, self._watch, fix=fix, gone="Try again: it is then read from the Hub.")
        return _HubContent(self.repository, self.revision, file, self._hub)

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the content of `file`; see `FileSource.read`."""
        return whole(self.content(file), file.bytes, cancel)


class _HubContent:
    def __init__(self, repository: str, revision: str, file: ModelFile, hub: HubClient) -> None:
        self._repository, self._revision, self._file, self._hub = repository, revision, file, hub
        self._expected = file, f"{file.path} of {repository}", "Try again; the file may have been damaged on its way."

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        def opened(begin: int, left: int) -> AbstractContextManager[Iterator[bytes]]:
            part = _to_ask_for(self._file, begin, left)
            return self._hub.stream(
                self._repository, self._revision, self._file.path, start=begin, length=part, cancel=cancel
            )

        def of_size(size: int) -> SagewizardError:
            return wrong_size(*self._expected, size)

        if length or not self._file.bytes:
            yield from resumed(opened, self._hub.interrupted, of_size, start, length, self._hub.pause, cancel)

    def check(self) -> ContentCheck:
        return ContentCheck(*self._expected)

    def release(self) -> None:
        pass


class S3Source:
    """Reads the objects below a prefix in S3, without a copy on disk.

    A file's etag holds all of its bytes to the version that was listed. `pause` is how many seconds pass before a cut
    stream is taken up again; doubled each time.
    """

    def __init__(self, reference: S3Reference, objects: ObjectStore, *, pause: float = 0.5) -> None:
        self.reference = reference
        self._objects = objects
        self._pause = pause

    def content(self, file: ModelFile) -> "StoredContent":
        """Return the content of `file`; see `FileSource.content`."""
        refuse_odd_paths([file.path], str(self.reference))
        return StoredContent(self.reference, file, self._objects, self._pause)

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        """Yield the content of `file`; see `FileSource.read`."""
        return whole(self.content(file), file.bytes, cancel)


class StoredContent:
    """The content of an object in S3. `stored_at` is its bucket, its key, and the etag of the version that is meant."""

    def __init__(self, reference: S3Reference, file: ModelFile, objects: ObjectStore, pause: float) -> None:
        self.stored_at = reference.bucket, f"{reference.prefix}{file.path}", file.etag
        self._file, self._objects, self._pause = file, objects, pause
        where = f"s3://{reference.bucket}/{reference.prefix}{file.path}"
        self._expected = file, where, "It changed since it was looked at: make the plan anew."

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield a part; see `Content.read_part`."""
        bucket, key, etag = self.stored_at

        def opened(begin: int, left: int) -> AbstractContextManager[Iterator[bytes]]:
            return self._objects.stream(bucket, key, begin, _to_ask_for(self._file, begin, left), etag, cancel)

        def interrupted(error: BaseException) -> SagewizardError | None:
            # Without an etag the rest could be of another version than what has passed already.
            return error if isinstance(error, StreamCutError) and etag else None

        def of_size(size: int) -> SagewizardError:
            return wrong_size(*self._expected, size)

        if length or not self._file.bytes:
            yield from resumed(opened, interrupted, of_size, start, length, self._pause, cancel)

    def check(self) -> ContentCheck:
        """Return a check of one pass."""
        return ContentCheck(*self._expected)

    def release(self) -> None:
        """Do nothing."""


def _to_ask_for(file: ModelFile, start: int, length: int) -> int | None:
    """Return how many bytes to ask for: at the file's end all there are, to see whether it is longer than listed."""
    return None if start + length == file.bytes else length
