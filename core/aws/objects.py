"""S3 objects that are there: looked at, read and written when they are small, listed and deleted."""

from typing import Final

from core.aws.clients import Clients
from core.aws.failures import error_code, explained
from core.cancellation import CancelToken
from core.errors import AccessError, NotFoundError, SagewizardError
from core.external_text import clean_line

DEPLOYMENT_KEY: Final = "sagewizard-deployment"
"""The metadata key of an object that holds the id of the deployment that made it. Tags say so too, where they may be
set and read: the managed policy AmazonSageMakerFullAccess allows neither."""

_DELETED_AT_ONCE: Final = 1000
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})


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


def abort_upload(clients: Clients, bucket: str, key: str, upload_id: str, account_id: str) -> None:
    """End one upload in parts; it is fine when it is gone.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    with explained(f"end the upload of s3://{bucket}/{key}"):
        try:
            clients.get("s3").abort_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload_id, ExpectedBucketOwner=account_id
            )
        except ClientError as error:
            if error_code(error) not in _ABSENT | {"NoSuchUpload"}:
                raise


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
