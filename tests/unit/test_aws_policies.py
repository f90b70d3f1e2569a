"""IAM policies: whom a trust policy names, and how little the role of a deployment is allowed."""

from typing import Any

import pytest

from core.aws.policies import artifact_policy, trust_policy, trusts_sagemaker

SAGEMAKER = "sagemaker.amazonaws.com"


def statement(principal: Any, action: Any = "sts:AssumeRole", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action}


@pytest.mark.parametrize(
    "statements",
    [
        statement({"Service": SAGEMAKER}),
        [statement({"Service": SAGEMAKER})],
        [statement({"Service": ["lambda.amazonaws.com", SAGEMAKER]}, ["sts:AssumeRole", "sts:SetSourceIdentity"])],
        [statement({"AWS": "arn:aws:iam::1:root"}), statement({"Service": SAGEMAKER}, "sts:*")],
    ],
)
def test_a_policy_that_names_sagemaker_is_seen(statements: Any) -> None:
    assert trusts_sagemaker({"Statement": statements})


@pytest.mark.parametrize(
    "statements",
    [
        None,
        [],
        "nonsense",
        [statement("*")],
        [statement({"AWS": "*"})],
        [statement({"Service": "lambda.amazonaws.com"})],
        [statement({"Service": SAGEMAKER}, "sts:TagSession")],
        [statement({"Service": SAGEMAKER}), statement({"Service": SAGEMAKER}, effect="Deny")],
        [statement({"Service": SAGEMAKER}, effect="Deny")],
    ],
)
def test_a_policy_that_does_not_name_sagemaker_is_seen(statements: Any) -> None:
    assert not trusts_sagemaker({"Statement": statements})


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        ("1234abcd", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd", None),
        ("arn:aws:kms:eu-west-1:999999999999:key/1234", "arn:aws:kms:eu-west-1:999999999999:key/1234", None),
        ("alias/models", "arn:aws:kms:eu-west-1:123456789012:key/*", "alias/models"),
        ("arn:aws:kms:eu-west-1:123456789012:alias/models", "arn:aws:kms:eu-west-1:123456789012:key/*", "alias/models"),
    ],
)
def test_of_a_bucket_with_a_key_of_ones_own_the_role_may_decrypt_with_that_key_only(
    key: str, resource: str, condition: str | None
) -> None:
    policy = artifact_policy(
        partition="aws",
        region="eu-west-1",
        account_id="123456789012",
        bucket="b",
        prefix="x",
        image_repository_arn="arn:aws:ecr:eu-west-1:763104351884:repository/hf",
        endpoint_name="chat",
        kms_key=key,
    )
    (found,) = [statement for statement in policy["Statement"] if statement["Action"] == "kms:Decrypt"]
    assert found["Resource"] == resource
    held_to = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": condition}} if condition else None
    assert found.get("Condition") == held_to


def test_our_own_trust_policy_names_sagemaker() -> None:
    assert trusts_sagemaker(trust_policy())


def test_a_deployments_role_may_do_only_what_its_endpoint_needs() -> None:
    policy = artifact_policy(
        partition="aws-cn",
        region="cn-north-1",
        account_id="123456789012",
        bucket="b",
        prefix="sagewizard/x/",
        image_repository_arn="arn:aws-cn:ecr:cn-north-1:727897471807:repository/hf",
        endpoint_name="chat",
    )
    by_action = {
        action: statement
        for statement in policy["Statement"]
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }
    assert by_action["s3:GetObject"]["Resource"] == "arn:aws-cn:s3:::b/sagewizard/x/*"
    assert by_action["s3:ListBucket"]["Condition"] == {"StringLike": {"s3:prefix": ["sagewizard/x/*"]}}
    assert by_action["ecr:BatchGetImage"]["Resource"].endswith("repository/hf")
    group = "arn:aws-cn:logs:cn-north-1:123456789012:log-group:/aws/sagemaker/Endpoints/chat"
    assert by_action["logs:PutLogEvents"]["Resource"] == [group, f"{group}:*"]
    # Only what has no resource of its own may be on all of them, and metrics are held to their namespace.
    everywhere = {action for action, found in by_action.items() if found["Resource"] == "*"}
    assert everywhere == {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}
    assert "Condition" in by_action["cloudwatch:PutMetricData"]
    assert not any("*" in action for action in by_action)
