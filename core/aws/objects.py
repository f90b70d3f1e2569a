"""S3 objects: uploads with progress that can be stopped, and what was uploaded looked at and deleted.

Uploads are multipart where the size asks for it, each part checked by S3 against its SHA-256. A stopped or failed
one is aborted, so that no part stays behind and costs money.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import error_code, explained
from core.aws.tags import DEPLOYMENT, as_query
from core.cancellation import CancelToken
from core.errors import AccessError, NotFoundError, SagewizardError
from core.external_text import clean_line

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and how many there are in all."""

SHA256_KEY: Final = "sha256"
"""The metadata key of an object that holds the SHA-256 of its content, in hex."""
DEPLOYMENT_KEY: Final = "sagewizard-deployment"
"""The metadata key of an object that holds the id of the deployment that made it. Tags say so too, where they may be
set and read: the managed policy AmazonSageMakerFullAccess allows neither."""

_PART_BYTES: Final = 16 * 2**20
_THREADS: Final = 8
_REPORT_SECONDS: Final = 0.1
_DELETED_AT_ONCE: Final = 1000
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in S3: its size, and what was noted when it was uploaded: its SHA-256 (hex), and which deployment made
    it. Both are `None` for objects of others.
    """

    bucket: str
    key: str
    bytes: int
    sha256: str | None
    deployment: str | None


def upload_file(
    clients: Clients,
    path: Path,
    bucket: str,
    key: str,
    *,
    account_id: str,
    tags: Mapping[str, str],
    sha256: str | None = None,
    progress: Progress = lambda _done, _total: None,
    cancel: CancelToken | None = None,
) -> StoredObject:
    """Upload a file and make sure that S3 has all of it.

    `progress` is called on this thread, at most ten times a second, and at the end with the whole size. `sha256` (hex)
    is noted with the object, and which deployment it is of. Who may upload but not tag uploads without tags.

    Raises:
        NotFoundError: the file or the bucket does not exist.
        CancelledByUser: stopped; nothing is left in the bucket.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    cancel = cancel or CancelToken()
    cancel.check()
    if not path.is_file():
        raise NotFoundError(f"There is no file {path} to upload.", fix="Package the model again.")
    total = path.stat().st_size
    noted = {SHA256_KEY: sha256, DEPLOYMENT_KEY: tags.get(DEPLOYMENT)}
    extra: dict[str, Any] = {
        "ExpectedBucketOwner": account_id,
        "ChecksumAlgorithm": "SHA256",
        "Metadata": {name: value for name, value in noted.items() if value},
    }
    try:
        _transfer(clients, path, bucket, key, {**extra, "Tagging": as_query(tags)}, total, progress, cancel)
    except AccessError:
        _transfer(clients, path, bucket, key, extra, total, progress, cancel)  # refused again if it was not the tags
    found = find_object(clients, bucket, key, account_id)
    if found is None or found.bytes != total:
        held = "nothing" if found is None else f"{found.bytes} bytes"
        raise SagewizardError(
            f"After the upload s3://{bucket}/{key} holds {held} instead of {total} bytes.",
            fix="Something else changed the file or the object meanwhile; try again.",
        )
    progress(total, total)
    return found


def _transfer(
    clients: Clients,
    path: Path,
    bucket: str,
    key: str,
    extra: Mapping[str, Any],
    total: int,
    progress: Progress,
    cancel: CancelToken,
) -> None:
    from boto3.s3.transfer import TransferConfig
    from s3transfer.manager import TransferManager

    counter = _Counter()
    config = TransferConfig(
        multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=_THREADS, use_threads=True
    )
    with explained(f"upload {path.name} to s3://{bucket}/{key}"), TransferManager(clients.get("s3"), config) as manager:
        future = manager.upload(str(path), bucket, key, extra_args=extra, subscribers=[counter])
        try:
            while not future.done():
                cancel.wait(_REPORT_SECONDS)
                progress(min(counter.bytes, total), total)
            future.result()
        except OSError as error:
            raise SagewizardError(f"Could not read {path.name} to upload it: {error.strerror or error}.") from error
        except BaseException:
            future.cancel()  # aborts the multipart upload; leaving the manager waits for that
            raise


class _Counter:
    """Adds up what the upload's threads report. The method's name is the one s3transfer calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0

    def on_progress(self, bytes_transferred: int, **_: object) -> None:
        with self._lock:
            self.bytes += bytes_transferred  # less than zero when a part is sent again


def find_object(clients: Clients, bucket: str, key: str, account_id: str) -> StoredObject | None:
    """Return the object, or `None` when there is none.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    with explained(f"look at s3://{bucket}/{key}"):
        try:
            found = clients.get("s3").head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=account_id)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
    noted = found.get("Metadata", {})
    return StoredObject(bucket, key, found["ContentLength"], noted.get(SHA256_KEY), noted.get(DEPLOYMENT_KEY))


def list_keys(clients: Clients, bucket: str, prefix: str, account_id: str) -> tuple[str, ...]:
    """Return the keys that begin with `prefix`; none when the bucket does not exist.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    pages = clients.get("s3").get_paginator("list_objects_v2")
    with explained(f"list s3://{bucket}/{prefix}"):
        try:
            return tuple(
                item["Key"]
                for page in pages.paginate(Bucket=bucket, Prefix=prefix, ExpectedBucketOwner=account_id)
                for item in page.get("Contents", ())
            )
        except ClientError as error:
            if error_code(error) == "NoSuchBucket":
                return ()
            raise


def read_bytes(clients: Clients, bucket: str, key: str, account_id: str, *, limit: int) -> bytes | None:
    """Return what a small object holds; `None` when there is none, or it is larger than `limit` bytes.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    with explained(f"read s3://{bucket}/{key}"):
        try:
            found = clients.get("s3").get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=account_id)
            content: bytes = found["Body"].read(limit + 1)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
    return content if len(content) <= limit else None


def write_bytes(clients: Clients, bucket: str, key: str, content: bytes, account_id: str) -> None:
    """Store a small object as the bucket has it by default.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    with explained(f"write s3://{bucket}/{key}"):
        clients.get("s3").put_object(Bucket=bucket, Key=key, Body=content, ExpectedBucketOwner=account_id)


def delete_object(clients: Clients, bucket: str, key: str, account_id: str) -> None:
    """Delete one object with all its versions; it is fine when it is not there.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    stored = [item for item in _stored(clients, bucket, key, account_id) if item["Key"] == key]
    _delete(clients, bucket, key, account_id, stored, CancelToken())


def delete_prefix(
    clients: Clients, bucket: str, prefix: str, account_id: str, *, cancel: CancelToken | None = None
) -> int:
    """Delete every object whose key begins with `prefix`, and end the uploads to such keys that were abandoned.

    Returns:
        How many objects were deleted; in a bucket that keeps versions, how many of those.

    Raises:
        ValueError: the prefix is empty: that would be the whole bucket.
        CancelledByUser: stopped between two requests.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    if not prefix.strip("/"):
        raise ValueError("an empty prefix is the whole bucket")
    stored = _stored(clients, bucket, prefix, account_id)
    _delete(clients, bucket, prefix, account_id, stored, cancel or CancelToken())
    _abort_uploads(clients, bucket, prefix, account_id)
    return len(stored)


def _stored(clients: Clients, bucket: str, prefix: str, account_id: str) -> list[dict[str, str]]:
    """Return what is under `prefix`, as DeleteObjects wants it named; nothing when there is no such bucket.

    In a bucket that keeps versions, deleting a key alone hides it and its bytes go on costing money: every version is
    named. Who may not list versions deletes the keys alone.
    """
    pages = clients.get("s3").get_paginator("list_object_versions")
    found: list[dict[str, str]] = []
    try:
        with explained(f"list s3://{bucket}/{prefix}"):
            for page in pages.paginate(Bucket=bucket, Prefix=prefix, ExpectedBucketOwner=account_id):
                for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    version = {} if item["VersionId"] == "null" else {"VersionId": item["VersionId"]}
                    found.append({"Key": item["Key"], **version})
    except NotFoundError:
        return []
    except AccessError:
        return [{"Key": key} for key in list_keys(clients, bucket, prefix, account_id)]
    return found


def _delete(
    clients: Clients, bucket: str, what: str, account_id: str, stored: list[dict[str, str]], cancel: CancelToken
) -> None:
    for start in range(0, len(stored), _DELETED_AT_ONCE):
        cancel.check()
        batch = stored[start : start + _DELETED_AT_ONCE]
        with explained(f"delete s3://{bucket}/{what}"):
            answer = clients.get("s3").delete_objects(
                Bucket=bucket, Delete={"Objects": batch, "Quiet": True}, ExpectedBucketOwner=account_id
            )
        if failed := answer.get("Errors"):
            said = clean_line(f"{failed[0].get('Key')}: {failed[0].get('Message') or failed[0].get('Code')}")
            raise SagewizardError(f"{len(failed)} objects under s3://{bucket}/{what} were not deleted ({said}).")


def _abort_uploads(clients: Clients, bucket: str, prefix: str, account_id: str) -> None:
    from botocore.exceptions import ClientError

    s3 = clients.get("s3")
    whose = {"Bucket": bucket, "ExpectedBucketOwner": account_id}
    with explained(f"end abandoned uploads to s3://{bucket}/{prefix}"):
        try:
            found = s3.list_multipart_uploads(**whose, Prefix=prefix).get("Uploads", ())
            for upload in found:
                s3.abort_multipart_upload(**whose, Key=upload["Key"], UploadId=upload["UploadId"])
        except ClientError as error:
            # The bucket's lifecycle rule, or a lack of permission to look, leaves them to expire.
            if error_code(error) not in _ABSENT | {"NoSuchUpload", "AccessDenied"}:
                raise
