"""Models in S3: listing the objects below a prefix, reading parts of them, and streaming them.

What is read belongs to whoever runs the program, or was shared with them: unlike the buckets that are written to
(`core.aws.buckets`), these may be another account's, so that no owner is demanded.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import CHECK_NETWORK, error_code, error_status, explained, translate
from core.cancellation import CancelToken
from core.errors import RefusedError, SagewizardError
from core.external_text import clean_line
from core.models.stored_objects import ObjectChangedError, StoredObject, StreamCutError

_MOST_KEYS: Final = 20_000
_MOST_PREFIXES: Final = 200
_MOST_PAGES: Final = 5
_MOST_BUCKETS: Final = 10_000
_CHUNK: Final = 1 << 20
_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 0.5
_CHANGED: Final = 412  # RFC 9110 15.5.13: what If-Match names is not what is there
_NO_SUCH_RANGE: Final = 416  # RFC 9110 15.5.17: it begins behind the end


class S3Objects:
    """Reads objects in S3 with an account's credentials; an `ObjectStore` of `core.models.stored_objects`.

    Requests time out and are repeated as `Clients` has it. Safe to use from several threads.

    All methods raise:
        NotFoundError: there is no such bucket or object.
        AccessError: there are no credentials, or they do not allow it.
        UnreachableError, SagewizardError: AWS did not answer, or refused.
        CancelledByUser: stopping was asked for.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def list(self, bucket: str, prefix: str, cancel: CancelToken) -> tuple[StoredObject, ...]:
        """Return the objects whose keys begin with `prefix`, by key.

        The empty objects that consoles make to show folders (their keys end with a slash) are left out.

        Raises:
            RefusedError: there are more than 20,000.
        """
        cancel.check()
        found: list[StoredObject] = []
        with explained(f"list {_shown(bucket, prefix)}"):
            pages = self._clients.get("s3").get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                cancel.check()
                for item in page.get("Contents", ()):
                    if item["Key"].endswith("/") and not item["Size"]:
                        continue
                    found.append(StoredObject(item["Key"], item["Size"], item.get("ETag", "").strip('"') or None))
                if len(found) > _MOST_KEYS:
                    raise RefusedError(
                        f"{_shown(bucket, prefix)} holds more than {_MOST_KEYS:,} objects, which no model does.",
                        fix="Name the prefix of the model itself.",
                    )
        return tuple(sorted(found, key=lambda each: each.key))

    def read(self, bucket: str, key: str, start: int, length: int, etag: str | None, cancel: CancelToken) -> bytes:
        """Return `length` bytes of an object from position `start` on; fewer at its end, none behind it.

        Raises:
            ObjectChangedError: it is not the version of `etag` any more.
        """
        if length <= 0:
            return b""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._opened(bucket, key, f"bytes={start}-{start + length - 1}", start, etag, cancel) as body:
                    return b"" if body is None else _whole(body, length, _shown(bucket, key), cancel)
            except StreamCutError:
                if attempt == _ATTEMPTS:
                    raise
            cancel.wait(_PAUSE_SECONDS * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")

    @contextmanager
    def stream(
        self, bucket: str, key: str, start: int, length: int | None, etag: str | None, cancel: CancelToken
    ) -> Iterator[Iterator[bytes]]:
        """Give the pieces of an object's content from position `start` on; none when it ends before.

        They are `length` bytes at most; `None`: all to its end.

        Raises:
            ObjectChangedError: it is not the version of `etag` any more.
            StreamCutError: the connection broke while a piece was awaited.
        """
        end = "" if length is None else str(start + length - 1)
        part = f"bytes={start}-{end}" if start or end else None
        with self._opened(bucket, key, part, start, etag, cancel) as body:
            yield iter(()) if body is None else _pieces(body, _shown(bucket, key), cancel)

    def prefixes(self, bucket: str, prefix: str, cancel: CancelToken) -> tuple[str, ...]:
        """Return the prefixes that begin with `prefix` and end at the next slash, in order; 200 at most."""
        cancel.check()
        found: list[str] = []
        with explained(f"list {_shown(bucket, prefix)}"):
            pages = self._clients.get("s3").get_paginator("list_objects_v2")
            for number, page in enumerate(pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"), start=1):
                cancel.check()
                names = (item["Prefix"] for item in page.get("CommonPrefixes", ()))
                found += [name for name in names if clean_line(name) == name]
                if len(found) >= _MOST_PREFIXES or number == _MOST_PAGES:
                    break
        return tuple(found[:_MOST_PREFIXES])

    def buckets(self, cancel: CancelToken) -> tuple[str, ...]:
        """Return the names of the account's buckets, in order; 10,000 at most."""
        cancel.check()
        found: list[str] = []
        with explained("list the account's buckets"):
            pages = self._clients.get("s3").get_paginator("list_buckets")
            for page in pages.paginate(PaginationConfig={"PageSize": 1000, "MaxItems": _MOST_BUCKETS}):
                cancel.check()
                found += [clean_line(item["Name"]) for item in page.get("Buckets", ())]
        return tuple(sorted(found))

    @contextmanager
    def _opened(
        self, bucket: str, key: str, part: str | None, start: int, etag: str | None, cancel: CancelToken
    ) -> Iterator[Any]:
        """Give the body of the answer to a request for a part of an object; `None` when the object ends before it."""
        from botocore.exceptions import ClientError

        cancel.check()
        request: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if part:
            request["Range"] = part
        if etag:
            request["IfMatch"] = f'"{etag}"'
        shown = _shown(bucket, key)
        with explained(f"read {shown}"):
            try:
                answer = self._clients.get("s3").get_object(**request)
            except ClientError as error:
                if error_code(error) == "PreconditionFailed" or error_status(error) == _CHANGED:
                    raise ObjectChangedError(
                        f"{shown} changed since it was looked at.", fix="Look at the model again; make the plan anew."
                    ) from error
                if error_code(error) != "InvalidRange" and error_status(error) != _NO_SUCH_RANGE:
                    raise
                answer = None
        if answer is None:
            yield None
            return
        with closing(answer["Body"]) as body:
            if start and not str(answer.get("ContentRange", "")).startswith(f"bytes {start}-"):
                raise SagewizardError(
                    f"Could not read {shown}: another part was sent than the one asked for.",
                    fix="Check whether a proxy or the endpoint URL is in the way, then try again.",
                )
            yield body


def _whole(body: Any, length: int, shown: str, cancel: CancelToken) -> bytes:
    found = bytearray()
    for piece in _pieces(body, shown, cancel):
        found += piece[: length - len(found)]
        if len(found) == length:
            break
    return bytes(found)


def _pieces(body: Any, shown: str, cancel: CancelToken) -> Iterator[bytes]:
    """Yield what a body brings. Errors of whoever takes the pieces are not ours to explain, and not caught."""
    from botocore.exceptions import BotoCoreError, HTTPClientError, IncompleteReadError

    pieces = body.iter_chunks(_CHUNK)
    while True:
        cancel.check()
        try:
            piece = next(pieces, None)
        except (HTTPClientError, IncompleteReadError, OSError) as error:
            raise StreamCutError(
                f"The connection broke while {shown} was read ({clean_line(str(error))[:200]}).", fix=CHECK_NETWORK
            ) from error
        except BotoCoreError as error:
            raise translate(error, f"read {shown}") from error
        if piece is None:
            return
        yield piece


def _shown(bucket: str, key: str) -> str:
    return clean_line(f"s3://{bucket}/{key}")[:300]
