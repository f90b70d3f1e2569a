"""What CreateModel looks at besides the request itself: the role, its trust, and the model data it must read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from core.sandbox.hosting.errors import ApiError, data_not_accessible, invalid, role_not_assumable
from core.sandbox.hosting.iam import RolePolicies

SERVICE: Final = "sagemaker.amazonaws.com"
_S3_URI: Final = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
_HTTPS_URI: Final = re.compile(r"https://s3[.-][a-z0-9-]+\.amazonaws\.com(?:\.cn)?/([^/]+)/(.+)", re.DOTALL)
"""The other form that CreateModel takes, with the bucket in the path."""


class AccountView(Protocol):
    """What the checks need to see of the account's other services."""

    account_id: str

    def role(self, arn: str) -> RolePolicies | None:
        """Return the role with that ARN; `None` when there is none."""

    def bucket_region(self, bucket: str) -> str | None:
        """Return where a bucket is; `None` when there is none of that name."""

    def object_tags(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """Return the tags of an object; `None` when there is no such object."""

    def keys_under(self, bucket: str, prefix: str) -> tuple[str, ...]:
        """Return the keys that begin with `prefix`."""


@dataclass(frozen=True, slots=True)
class ModelData:
    """Where a container's model data is: one object, or all objects under a prefix that ends in `/`."""

    uri: str
    bucket: str
    key: str
    is_prefix: bool


def partition_of(region: str) -> str:
    """Return the partition of a region: `aws`, `aws-cn` or `aws-us-gov`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def model_data(container: Mapping[str, Any]) -> ModelData | None:
    """Return where a ContainerDefinition says its model data is; `None` when it has none.

    Raises:
        ApiError: it says so twice, or in a way that no object or prefix of S3 has.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    url = container.get("ModelDataUrl")
    if source and url:
        raise invalid("ModelDataUrl and ModelDataSource cannot both be specified for a container.")
    if url:
        return _located(url, is_prefix=False)
    if not source:
        return None
    is_prefix = source["S3DataType"] == "S3Prefix"
    if is_prefix and source["CompressionType"] == "Gzip":
        raise invalid("CompressionType Gzip is only supported with S3DataType S3Object in S3DataSource.")
    if is_prefix and not source["S3Uri"].endswith("/"):
        raise invalid(f"S3Uri {source['S3Uri']} in S3DataSource must end with a forward slash (/) for S3Prefix.")
    return _located(source["S3Uri"], is_prefix=is_prefix)


def check_access(
    account: AccountView, role_arn: str, containers: list[Mapping[str, Any]], *, region: str, model_arn: str
) -> None:
    """Return when SageMaker can assume the role and, as it, read the model data of every container.

    Raises:
        ApiError: it cannot.
    """
    context = {
        "aws:PrincipalAccount": account.account_id,
        "aws:SourceAccount": account.account_id,
        "aws:SourceArn": model_arn,
        "aws:RequestedRegion": region,
        "aws:SecureTransport": "true",
    }
    role = account.role(role_arn)
    if role is None or not role.trusts(SERVICE, context):
        raise role_not_assumable(role_arn)
    for container in containers:
        data = model_data(container)
        if data and not _readable(account, role, data, region, context):
            raise data_not_accessible(data.uri, role_arn, region)


def may_read(account: AccountView, role_arn: str, container: Mapping[str, Any], *, region: str, model_arn: str) -> bool:
    """Return whether SageMaker can still, as the role, read a container's model data: what CreateModel also asks."""
    try:
        check_access(account, role_arn, [container], region=region, model_arn=model_arn)
    except ApiError:
        return False
    return True


def _located(uri: str, *, is_prefix: bool) -> ModelData:
    found = _S3_URI.fullmatch(uri) or _HTTPS_URI.fullmatch(uri)
    if not found:
        raise invalid(f"The sandbox reads model data from s3://bucket/key only, not from {uri}.")
    return ModelData(uri, found[1], found[2], is_prefix)


def _readable(
    account: AccountView, role: RolePolicies, data: ModelData, region: str, context: Mapping[str, str]
) -> bool:
    if account.bucket_region(data.bucket) != region:
        return False
    bucket_arn = f"arn:{partition_of(region)}:s3:::{data.bucket}"
    keys: tuple[str, ...] = (data.key,)
    if data.is_prefix:
        if not role.allows("s3:ListBucket", bucket_arn, {**context, "s3:prefix": data.key}):
            return False
        keys = account.keys_under(data.bucket, data.key)
    return bool(keys) and all(_object_readable(account, role, data.bucket, bucket_arn, key, context) for key in keys)


def _object_readable(
    account: AccountView, role: RolePolicies, bucket: str, bucket_arn: str, key: str, context: Mapping[str, str]
) -> bool:
    tags = account.object_tags(bucket, key)
    if tags is None:
        return False
    tagged = {f"s3:ExistingObjectTag/{name}": value for name, value in tags.items()}
    return role.allows("s3:GetObject", f"{bucket_arn}/{key}", {**context, **tagged})
