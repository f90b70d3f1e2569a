"""S3 buckets: the account's default bucket for SageMaker, made where there is none, and removed when it is empty.

Every request names the account that must own the bucket: a bucket of somebody else that has a guessable name is
never written to. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import error_code, explained, is_final_no
from core.aws.policies import allows_something
from core.aws.tags import as_aws_tags, from_aws_tags
from core.errors import RefusedError, SagewizardError

_ABANDONED_UPLOAD_DAYS: Final = 7
_ABSENT: Final = frozenset({"404", "NoSuchBucket", "NotFound"})
_FORBIDDEN: Final = frozenset({"403", "AccessDenied", "Forbidden"})
_ELSEWHERE: Final = frozenset({"301", "PermanentRedirect", "AuthorizationHeaderMalformed"})


def default_bucket_name(region: str, account_id: str) -> str:
    """Return the name that the SageMaker SDK also gives an account's bucket in a region."""
    return f"sagemaker-{region}-{account_id}"


def create_bucket(clients: Clients, name: str) -> bool:
    """Create a bucket in the clients' region; return whether it was, and not somebody with this account quicker.

    Raises:
        RefusedError: the name belongs to another account.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    where: dict[str, Any] = {}
    if clients.region != "us-east-1":  # the one region that S3 does not let be named
        where["CreateBucketConfiguration"] = {"LocationConstraint": clients.region}
    with explained(f"create the bucket {name}"):
        try:
            clients.get("s3").create_bucket(Bucket=name, **where)
        except ClientError as error:
            if error_code(error) == "BucketAlreadyExists":
                raise _not_yours(name) from error
            if error_code(error) != "BucketAlreadyOwnedByYou":
                raise
            return not is_final_no(error)
    return True


def bucket_exists(clients: Clients, name: str, account_id: str) -> bool:
    """Return whether the account has the bucket, in the clients' region.

    Raises:
        RefusedError: it belongs to another account, or is in another region.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    with explained(f"look at the bucket {name}"):
        try:
            found = clients.get("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account_id)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            if error_code(error) in _FORBIDDEN:
                raise _not_yours(name) from error
            if error_code(error) in _ELSEWHERE:
                raise _elsewhere(name, _header_region(error.response) or "another region", clients.region) from error
            raise
    region = found.get("BucketRegion") or _header_region(found)
    if region and region != clients.region:
        raise _elsewhere(name, region, clients.region)
    return True


def furnish_bucket(clients: Clients, name: str, account_id: str, tags: Mapping[str, str]) -> None:
    """Close a new bucket to the public, have it encrypt and remove abandoned uploads after seven days, and tag it.

    It may be done again. What may not be set is left as S3 has it.

    Raises:
        UnreachableError, SagewizardError: AWS did not answer, or refused something else than the permission.
    """
    s3 = clients.get("s3")
    whose = {"Bucket": name, "ExpectedBucketOwner": account_id}
    # S3 closes and encrypts new buckets by itself since 2023. Who may create a bucket but not set this again may go on.
    _allowed_to(
        f"close the bucket {name} to the public",
        lambda: s3.put_public_access_block(
            **whose,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        ),
    )
    _allowed_to(
        f"encrypt the bucket {name}",
        lambda: s3.put_bucket_encryption(
            **whose,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        ),
    )
    _allowed_to(
        f"let abandoned uploads to the bucket {name} expire",
        lambda: s3.put_bucket_lifecycle_configuration(
            **whose,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "abandoned-uploads",
                        "Status": "Enabled",
                        "Filter": {"Prefix": ""},
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _ABANDONED_UPLOAD_DAYS},
                    }
                ]
            },
        ),
    )
    _allowed_to(f"tag the bucket {name}", lambda: s3.put_bucket_tagging(**whose, Tagging={"TagSet": as_aws_tags(tags)}))


def is_bare(clients: Clients, name: str, account_id: str) -> bool:
    """Return whether a bucket is as a new one is: it holds nothing, and has no tags. Not where that may not be asked.

    Raises:
        UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    s3, whose = clients.get("s3"), {"Bucket": name, "ExpectedBucketOwner": account_id}
    with explained(f"look at the bucket {name}"):
        try:
            if s3.get_bucket_tagging(**whose)["TagSet"]:
                return False
        except ClientError as error:
            if error_code(error) in _ABSENT | _FORBIDDEN:
                return False
            if error_code(error) != "NoSuchTagSet":
                raise
        try:
            return not s3.list_objects_v2(**whose, MaxKeys=1).get("KeyCount")
        except ClientError as error:
            if error_code(error) in _ABSENT | _FORBIDDEN:
                return False
            raise


def bucket_tags(clients: Clients, name: str, account_id: str) -> Mapping[str, str]:
    """Return the tags of a bucket; none when it has none, does not exist, or does not let them be read.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    with explained(f"read the tags of the bucket {name}"):
        try:
            found = clients.get("s3").get_bucket_tagging(Bucket=name, ExpectedBucketOwner=account_id)
        except ClientError as error:
            if error_code(error) in _ABSENT | _FORBIDDEN | {"NoSuchTagSet"}:
                return {}
            raise
    return from_aws_tags(found["TagSet"])


def encryption_key(clients: Clients, name: str, account_id: str) -> str | None:
    """Return the KMS key that the bucket encrypts new objects with, as the bucket names it: ARN, id or alias.

    `None` where S3's own keys do it.

    Raises:
        AccessError: that may not be asked.
        UnreachableError, SagewizardError: AWS did not answer, or refused.
    """
    from botocore.exceptions import ClientError

    with explained(f"look how the bucket {name} encrypts"):
        try:
            found = clients.get("s3").get_bucket_encryption(Bucket=name, ExpectedBucketOwner=account_id)
        except ClientError as error:
            if error_code(error) in _ABSENT | {"ServerSideEncryptionConfigurationNotFoundError"}:
                return None
            raise
    for rule in found["ServerSideEncryptionConfiguration"]["Rules"]:
        key = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
        if isinstance(key, str):
            return key
    return None


def may_allow(clients: Clients, name: str, account_id: str) -> bool:
    """Return whether a policy of the bucket may allow somebody something: it has such a statement, or is not told."""
    from botocore.exceptions import ClientError

    try:
        with explained(f"read the policy of the bucket {name}"):
            try:
                found = clients.get("s3").get_bucket_policy(Bucket=name, ExpectedBucketOwner=account_id)
            except ClientError as error:
                if error_code(error) in _ABSENT | {"NoSuchBucketPolicy"}:
                    return False
                raise
        return allows_something(json.loads(found["Policy"]))
    except (SagewizardError, ValueError):
        return True


def delete_bucket_if_empty(clients: Clients, name: str, account_id: str) -> bool:
    """Delete the bucket unless it holds something; whether it is ours is the caller's to know.

    Returns:
        Whether it is gone; also when it was not there.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    with explained(f"delete the bucket {name}"):
        try:
            clients.get("s3").delete_bucket(Bucket=name, ExpectedBucketOwner=account_id)
        except ClientError as error:
            if error_code(error) == "BucketNotEmpty":
                return False
            if error_code(error) not in _ABSENT:
                raise
    return True


def _allowed_to(doing: str, call: Callable[[], object]) -> None:
    """Make a call that is good to have; being denied it is no reason to stop. Other failures are."""
    from botocore.exceptions import ClientError

    with explained(doing):
        try:
            call()
        except ClientError as error:
            if error_code(error) not in _FORBIDDEN:
                raise


def _header_region(response: Mapping[str, Any]) -> str | None:
    headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("x-amz-bucket-region")


def _not_yours(name: str) -> RefusedError:
    return RefusedError(
        f"The bucket {name} belongs to another account, or these credentials may not look at it.",
        fix="Name a bucket of your own, or have s3:ListBucket on it allowed.",
    )


def _elsewhere(name: str, region: str, wanted: str) -> RefusedError:
    return RefusedError(
        f"The bucket {name} is in {region}, but a model's data must be in the endpoint's region, {wanted}.",
        fix=f"Use --region {region}, or a bucket in {wanted}.",
    )
