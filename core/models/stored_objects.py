"""Objects in a store such as S3, as the reading of models sees them: listed, read in part, and streamed.

What talks to the store is elsewhere (`core.aws.object_reading`); a model is read without knowing it. An object's etag
tells one version of it from another: who passes the one that was listed reads that version or nothing.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from core.cancellation import CancelToken
from core.errors import SagewizardError, UnreachableError


class ObjectChangedError(SagewizardError):
    """An object is not any more the version that was asked for."""


class StreamCutError(UnreachableError):
    """The connection broke while an object's content came; it may be asked for again from there."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that a listing names: its key, its size in bytes, and the etag of its version (without quotes)."""

    key: str
    bytes: int
    etag: str | None = None


class ObjectStore(Protocol):
    """Reads objects. Safe to use from several threads.

    All methods raise:
        NotFoundError: there is no such bucket or object.
        AccessError: there are no credentials, or they do not allow it.
        UnreachableError, SagewizardError: the store did not answer, or refused.
        CancelledByUser: stopping was asked for.
    """

    def list(self, bucket: str, prefix: str, cancel: CancelToken) -> tuple[StoredObject, ...]:
        """Return the objects whose keys begin with `prefix`, by key; markers of folders are left out.

        Raises:
            RefusedError: there are more than any model has.
        """
        ...

    def read(self, bucket: str, key: str, start: int, length: int, etag: str | None, cancel: CancelToken) -> bytes:
        """Return `length` bytes of an object from position `start` on; fewer at its end, none behind it.

        `etag` is the version that is meant, `None` for whichever is there.

        Raises:
            ObjectChangedError: it is another version by now.
        """
        ...

    def stream(
        self, bucket: str, key: str, start: int, length: int | None, etag: str | None, cancel: CancelToken
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Give the pieces of an object's content from position `start` on, as they come: `length` bytes, or to its end.

        `start` must be below the object's size, or 0.

        Raises:
            ObjectChangedError: it is another version by now.
            StreamCutError: the connection broke while a piece was awaited.
        """
        ...
