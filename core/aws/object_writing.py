"""Objects written to S3: whole, in parts, or copied there, each body with a SHA-256 that S3 verifies.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
Requests are repeated as `Clients` has it, their bodies sent anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import error_code, error_status, explained
from core.aws.objects import abort_upload
from core.aws.sent_body import SendingStopped, Sent, SentBody
from core.aws.tags import as_query
from core.aws.written_objects import (
    StoredPart,
    WrittenObject,
    as_checksum,
    checksum_of_parts,
    etag_of,
    etag_of_parts,
    hex_of,
    listed_part,
    sha256_of,
)
from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, NotFoundError, SagewizardError, SignInExpiredError
from core.external_text import clean_line
from core.models.stored_objects import ObjectChangedError
from core.throttle import Throttle

__all__ = ["LARGEST_COPY", "ObjectWriter", "StoredPart", "WrittenObject"]

LARGEST_COPY: Final = 5 * 2**30
"""Bytes that CopyObject copies at once. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
_COPIED_PART: Final = 512 * 2**20
_COPIED_AT_ONCE: Final = 4
_LONGEST_SHOWN: Final = 300
_PRECONDITION_FAILED: Final = 412
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_DENIED: Final = frozenset({"403", "AccessDenied", "Forbidden"})
_NO_UPLOAD: Final = "NoSuchUpload"
_DAMAGED: Final = frozenset({"BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"})
"""S3 received another body than the one whose checksum it was told. botocore does not repeat that."""
_SENDINGS: Final = 3
"""How often a body is sent that arrives damaged."""


class ObjectWriter:
    """Writes objects to one bucket of one account. Safe to use from several threads.

    All objects get `tags` and `metadata`, and are encrypted with `kms_key` (an ARN, an id or an alias) where one is
    given. Who may write but not tag writes without tags. `throttle` slows down what is sent. A body is a sequence of
    pieces, which are sent one after another as they are.

    All methods raise:
        AccessError, UnreachableError, SagewizardError: S3 refused or did not answer.
        CancelledByUser: stopping was asked for; also in the midst of a body.
    """

    def __init__(
        self,
        clients: Clients,
        bucket: str,
        *,
        account_id: str,
        tags: Mapping[str, str],
        metadata: Mapping[str, str],
        cancel: CancelToken,
        kms_key: str | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.clients = clients
        self.bucket = bucket
        self.account_id = account_id
        self._tagging: dict[str, str] = {"Tagging": as_query(tags)} if tags else {}
        """Emptied once it is known that tags are refused."""
        self._metadata = dict(metadata)
        self._kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        self._cancel = cancel
        self._throttle = throttle

    def put(
        self,
        key: str,
        pieces: Sequence[bytes | memoryview],
        digest: bytes | None = None,
        *,
        sent: Sent | None = None,
    ) -> WrittenObject:
        """Write an object; `pieces` are its content, `digest` its SHA-256 if that is known; `sent` is told how far."""
        content = self._content(pieces, digest, sent)
        answer = self._tagged(
            f"write {self._shown(key)}",
            lambda tagging: _until_undamaged(
                lambda: self._s3.put_object(
                    **self._whose(key), **self._kms, **tagging, **content(), Metadata=self._metadata
                )
            ),
        )
        return WrittenObject(key, sum(map(len, pieces)), etag_of(answer))

    def begin(self, key: str) -> str:
        """Begin an upload in parts; return its id."""
        answer = self._tagged(
            f"begin to upload {self._shown(key)}",
            lambda tagging: self._s3.create_multipart_upload(
                **self._whose(key), **self._kms, **tagging, Metadata=self._metadata, ChecksumAlgorithm="SHA256"
            ),
        )
        return str(answer["UploadId"])

    def uploads(self, prefix: str) -> Mapping[str, tuple[str, ...]]:
        """Return the ids of the uploads that were begun and not ended, by their keys, which begin with `prefix`.

        None where they may not be listed.
        """
        found: dict[str, tuple[str, ...]] = {}
        pages = self._s3.get_paginator("list_multipart_uploads")
        try:
            with self._explained(f"list the uploads to {self._shown(prefix)}"):
                for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, ExpectedBucketOwner=self.account_id):
                    self._cancel.check()
                    for upload in page.get("Uploads", ()):
                        found[upload["Key"]] = (*found.get(upload["Key"], ()), upload["UploadId"])
        except AccessError as error:
            if not _is_denial(error):
                raise
            return {}
        return found

    def parts(self, key: str, upload_id: str) -> tuple[StoredPart, ...]:
        """Return the parts that S3 has of an upload, by number.

        Raises:
            NotFoundError: there is no such upload any more.
        """
        found = []
        pages = self._s3.get_paginator("list_parts")
        with self._explained(f"list the parts of {self._shown(key)}"):
            for page in pages.paginate(**self._whose(key), UploadId=upload_id):
                self._cancel.check()
                found += [
                    StoredPart(part["PartNumber"], part["Size"], etag_of(part), hex_of(part.get("ChecksumSHA256")))
                    for part in page.get("Parts", ())
                ]
        return tuple(sorted(found, key=lambda part: part.number))

    def put_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        pieces: Sequence[bytes | memoryview],
        digest: bytes | None = None,
        *,
        sent: Sent | None = None,
    ) -> StoredPart:
        """Write a part of an upload (1 to 10,000), in the place of an earlier one of that number; else as `put`.

        Raises:
            NotFoundError: there is no such upload any more.
        """
        digest = digest if digest is not None else sha256_of(pieces)
        content = self._content(pieces, digest, sent)
        with self._explained(f"upload part {number} of {self._shown(key)}"):
            answer = _until_undamaged(
                lambda: self._s3.upload_part(**self._whose(key), **content(), UploadId=upload_id, PartNumber=number)
            )
        return StoredPart(number, sum(map(len, pieces)), etag_of(answer), digest.hex())

    def complete(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> WrittenObject:
        """Make an object of an upload's parts, which are all of them, in order. S3 checks their checksums and size.

        When it was made by an attempt whose answer was lost, that is fine.

        Raises:
            NotFoundError: there is no such upload any more, nor an object that was made of these parts.
        """
        from botocore.exceptions import ClientError

        size = sum(part.bytes for part in parts)
        made: WrittenObject | None = None
        with self._explained(f"put together {self._shown(key)}"):
            try:
                answer = self._s3.complete_multipart_upload(
                    **self._whose(key),
                    UploadId=upload_id,
                    MultipartUpload={"Parts": list(map(listed_part, parts))},
                    MpuObjectSize=size,
                )
                made = WrittenObject(key, size, etag_of(answer))
            except ClientError as error:
                if error_code(error) == _NO_UPLOAD:
                    made = self._made_of(key, parts)
                if made is None:
                    raise
        return made

    def abort(self, key: str, upload_id: str) -> None:
        """End an upload and drop its parts; it is fine when it is gone. It is done even after a stop was asked for."""
        abort_upload(self.clients, self.bucket, key, upload_id, self.account_id)

    def copy(self, key: str, source_bucket: str, source_key: str, etag: str | None, size: int) -> WrittenObject:
        """Have S3 copy an object of `size` bytes, in the version of `etag` (`None`: whichever is there).

        Raises:
            ObjectChangedError: it is another version by now.
            NotFoundError: it is gone.
        """
        source: dict[str, Any] = {"CopySource": {"Bucket": source_bucket, "Key": source_key}}
        if etag:
            source["CopySourceIfMatch"] = f'"{etag}"'
        with _explained_source(_shown(source_bucket, source_key)):
            if size > LARGEST_COPY:
                return self._copy_in_parts(key, source, size)
            answer = self._tagged(
                f"copy {_shown(source_bucket, source_key)} to {self._shown(key)}",
                lambda tagging: self._s3.copy_object(
                    **self._whose(key),
                    **self._kms,
                    **tagging,
                    **source,
                    Metadata=self._metadata,
                    MetadataDirective="REPLACE",
                    TaggingDirective="REPLACE",
                    ChecksumAlgorithm="SHA256",
                ),
            )
        return WrittenObject(key, size, etag_of(answer["CopyObjectResult"]))

    def object_at(self, key: str) -> WrittenObject | None:
        """Return the object, `None` when there is none."""
        with self._explained(f"look at {self._shown(key)}"):
            found = self._head(key)
        return None if found is None else WrittenObject(key, found["ContentLength"], etag_of(found))

    def _copy_in_parts(self, key: str, source: Mapping[str, Any], size: int) -> WrittenObject:
        upload_id = self.begin(key)

        def copy_part(start: int) -> StoredPart:
            number, stop = start // _COPIED_PART + 1, min(start + _COPIED_PART, size)
            with self._explained(f"copy part {number} of {self._shown(key)}"):
                answer = self._s3.upload_part_copy(
                    **self._whose(key),
                    **source,
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySourceRange=f"bytes={start}-{stop - 1}",
                )["CopyPartResult"]
            return StoredPart(number, stop - start, etag_of(answer), hex_of(answer.get("ChecksumSHA256")))

        try:
            with ThreadPoolExecutor(_COPIED_AT_ONCE, thread_name_prefix="copy") as pool:
                copies = [pool.submit(copy_part, start) for start in range(0, size, _COPIED_PART)]
                try:
                    parts = [copy.result() for copy in copies]
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
            return self.complete(key, upload_id, parts)
        except BaseException:
            with suppress(SagewizardError):  # what went wrong first is what is told
                self.abort(key, upload_id)
            raise

    def _made_of(self, key: str, parts: Sequence[StoredPart]) -> WrittenObject | None:
        """Return the object, if there is one that was made of these parts."""
        found = self._head(key, ChecksumMode="ENABLED")
        if found is None or found["ContentLength"] != sum(part.bytes for part in parts):
            return None
        told, expected = found.get("ChecksumSHA256"), checksum_of_parts(parts)
        # With a KMS key, etags are no MD5s of anything.
        same = told == expected if told and expected else etag_of(found) == etag_of_parts(parts)
        return WrittenObject(key, found["ContentLength"], etag_of(found)) if same else None

    def _head(self, key: str, **more: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._s3.head_object(**self._whose(key), **more)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise

    @property
    def _s3(self) -> Any:
        return self.clients.get("s3")

    def _whose(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": key, "ExpectedBucketOwner": self.account_id}

    def _shown(self, key: str) -> str:
        return _shown(self.bucket, key)

    def _content(
        self, pieces: Sequence[bytes | memoryview], digest: bytes | None, sent: Sent | None
    ) -> Callable[[], dict[str, Any]]:
        """Return what makes the arguments about a body; the body is another one for each request."""
        about = {
            "ContentLength": sum(map(len, pieces)),
            "ChecksumSHA256": as_checksum(digest if digest is not None else sha256_of(pieces)),
        }
        return lambda: {**about, "Body": SentBody(pieces, self._cancel, self._throttle, sent)}

    def _tagged(self, doing: str, request: Callable[[Mapping[str, str]], Any]) -> Any:
        """Make a request that tags what it makes, or does not where that is denied."""
        if tagging := self._tagging:
            try:
                with self._explained(doing):
                    return request(tagging)
            except AccessError as error:
                if not _is_denial(error):
                    raise
        with self._explained(doing):
            answer = request({})  # denied again if it was not the tags
        self._tagging = {}
        return answer

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Within it, errors of botocore become the program's own, and nothing is begun after a stop was asked for."""
        from botocore.exceptions import ClientError

        self._cancel.check()
        try:
            with explained(doing):
                yield
        except SendingStopped as error:
            raise CancelledByUser from error
        except SagewizardError as error:
            self._cancel.check()  # a repetition that was of no use ends with the error of the attempt before
            code = error_code(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
            if code == _NO_UPLOAD:
                raise NotFoundError(f"{error.message.rstrip('.')}.", fix="Start the upload anew.") from error.__cause__
            if code in _DAMAGED:
                error.fix = "Something on the way, or this machine's memory, damages data. Try again by another way."
            raise


def _until_undamaged(request: Callable[[], Any]) -> Any:
    """Return the answer to a request with a body, which is made again when S3 says that the body arrived damaged."""
    from botocore.exceptions import ClientError

    for _ in range(_SENDINGS - 1):
        try:
            return request()
        except ClientError as error:
            if error_code(error) not in _DAMAGED:
                raise
    return request()


def _shown(bucket: str, key: str) -> str:
    return clean_line(f"s3://{bucket}/{key}")[:_LONGEST_SHOWN]


def _is_denial(error: AccessError) -> bool:
    """Return whether a request was denied to who made it, rather than that nobody was known to have made it."""
    cause = error.__cause__
    return not isinstance(error, SignInExpiredError) and cause is not None and error_code(cause) in _DENIED


@contextmanager
def _explained_source(shown: str) -> Iterator[None]:
    """Within it, S3's word that the source of a copy is gone, or another one by now, becomes the program's own."""
    try:
        yield
    except SagewizardError as error:
        cause = error.__cause__
        if cause is not None and error_code(cause) in {"NoSuchKey", "404"}:
            raise NotFoundError(f"{shown} is not there any more.", fix="Make the plan anew.") from error
        if cause is not None and error_status(cause) == _PRECONDITION_FAILED:
            raise ObjectChangedError(
                f"{shown} changed since it was looked at.", fix="Look at the model again; make the plan anew."
            ) from error
        raise
