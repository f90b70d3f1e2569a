"""IAM policy documents: who may take on an execution role, and the least that such a role must be allowed.

https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html, “CreateModel API: Execution Role Permissions”.
"""

from collections.abc import Mapping
from typing import Any, Final

SAGEMAKER: Final = "sagemaker.amazonaws.com"
"""The service principal of SageMaker; the same in every partition."""

_ASSUMING: Final = frozenset({"sts:assumerole", "sts:*", "*"})


def trust_policy() -> dict[str, Any]:
    """Return the trust policy of a role that SageMaker may take on."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": SAGEMAKER}, "Action": "sts:AssumeRole"}],
    }


def trusts_sagemaker(policy: Mapping[str, Any]) -> bool:
    """Return whether a trust policy names SageMaker as one that may take on the role.

    Conditions are not evaluated: they may still say no. A principal of `*` does not count: AWS asks for the name.
    """
    allowed = False
    for statement in _listed(policy.get("Statement")):
        if not isinstance(statement, Mapping) or not _names_sagemaker(statement.get("Principal")):
            continue
        if not any(str(action).lower() in _ASSUMING for action in _listed(statement.get("Action"))):
            continue
        if statement.get("Effect") == "Deny":
            if not statement.get("Condition"):
                return False
        elif statement.get("Effect") == "Allow":
            allowed = True
    return allowed


def allows_something(policy: object) -> bool:
    """Return whether a policy document has a statement that allows, and not only ones that deny."""
    statements = _listed(policy.get("Statement")) if isinstance(policy, Mapping) else []
    return any(isinstance(statement, Mapping) and statement.get("Effect") == "Allow" for statement in statements)


def artifact_policy(
    *,
    partition: str,
    region: str,
    account_id: str,
    bucket: str,
    prefix: str,
    image_repository_arn: str,
    endpoint_name: str,
    kms_key: str | None = None,
) -> dict[str, Any]:
    """Return what the role of one deployment must be allowed: its artifact, its image, its log group, its metrics.

    `prefix` is the key prefix of the artifact, without a slash at its end. `kms_key` is the key of one's own that the
    bucket encrypts with: an ARN, an id, or an alias (`alias/NAME`).
    """
    prefix = prefix.rstrip("/")
    log_group = f"arn:{partition}:logs:{region}:{account_id}:log-group:/aws/sagemaker/Endpoints/{endpoint_name}"
    decryption = [] if kms_key is None else [_decryption(f"arn:{partition}:kms:{region}:{account_id}", kms_key)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            *decryption,
            {
                "Sid": "ReadArtifact",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:{partition}:s3:::{bucket}/{prefix}/*",
            },
            {
                "Sid": "ListArtifact",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": f"arn:{partition}:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": [f"{prefix}/*"]}},
            },
            {
                "Sid": "PullImage",
                "Effect": "Allow",
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
                "Resource": image_repository_arn,
            },
            # This action knows no resources.
            {"Sid": "SignInToRegistry", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {
                "Sid": "WriteLogs",
                "Effect": "Allow",
                "Action": [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "logs:DescribeLogStreams",
                ],
                "Resource": [log_group, f"{log_group}:*"],
            },
            {
                # Metrics have no ARNs; their namespace is what can be held to.
                "Sid": "PutMetrics",
                "Effect": "Allow",
                "Action": "cloudwatch:PutMetricData",
                "Resource": "*",
                "Condition": {"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
            },
        ],
    }


def _decryption(keys: str, key: str) -> dict[str, Any]:
    """Return the statement that lets objects encrypted with `key` be read; the ARNs of the account's begin with `keys`.

    IAM takes no aliases for resources; a condition can hold a statement to the key that has one ("Use aliases to
    control access to KMS keys", AWS KMS Developer Guide).
    """
    statement: dict[str, Any] = {"Sid": "DecryptArtifact", "Effect": "Allow", "Action": "kms:Decrypt"}
    name = key.rpartition(":")[2]  # of an ARN, what comes last: `key/ID` or `alias/NAME`
    if name.startswith("alias/"):
        condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}}
        return {**statement, "Resource": f"{keys}:key/*", "Condition": condition}
    return {**statement, "Resource": key if key.startswith("arn:") else f"{keys}:key/{key}"}


def _names_sagemaker(principal: object) -> bool:
    if not isinstance(principal, Mapping):
        return False
    return SAGEMAKER in _listed(principal.get("Service"))


def _listed(value: object) -> list[Any]:
    """Return a policy's member as a list: AWS lets one element stand for itself."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
