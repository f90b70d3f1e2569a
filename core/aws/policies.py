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


def artifact_policy(
    *,
    partition: str,
    region: str,
    account_id: str,
    bucket: str,
    prefix: str,
    image_repository_arn: str,
    endpoint_name: str,
) -> dict[str, Any]:
    """Return what the role of one deployment must be allowed: its artifact, its image, its log group, its metrics.

    `prefix` is the key prefix of the artifact, without a slash at its end.
    """
    prefix = prefix.rstrip("/")
    log_group = f"arn:{partition}:logs:{region}:{account_id}:log-group:/aws/sagemaker/Endpoints/{endpoint_name}"
    return {
        "Version": "2012-10-17",
        "Statement": [
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


def _names_sagemaker(principal: object) -> bool:
    if not isinstance(principal, Mapping):
        return False
    return SAGEMAKER in _listed(principal.get("Service"))


def _listed(value: object) -> list[Any]:
    """Return a policy's member as a list: AWS lets one element stand for itself."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
