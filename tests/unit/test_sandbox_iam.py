from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sandbox.hosting.iam import RolePolicies, like

OBJECT = "arn:aws:s3:::bucket/models/a.tar.gz"
BUCKET = "arn:aws:s3:::bucket"


def role(*statements: dict[str, Any], boundary: dict[str, Any] | None = None, trust: Any = None) -> RolePolicies:
    return RolePolicies("arn:aws:iam::1:role/r", trust or {}, ({"Statement": list(statements)},), boundary)


def allow(action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


STATEMENTS = st.lists(
    st.builds(
        lambda effect, action, resource: {"Effect": effect, "Action": action, "Resource": resource},
        st.sampled_from(["Allow", "Deny"]),
        st.sampled_from(["*", "s3:*", "s3:Get*", "s3:GetObject", "iam:*"]),
        st.sampled_from(["*", BUCKET, f"{BUCKET}/*", OBJECT, "arn:aws:s3:::other/*"]),
    ),
    max_size=5,
)


@given(STATEMENTS)
def test_nothing_is_allowed_that_no_statement_allows(statements: list[dict[str, Any]]) -> None:
    only_denials = [statement for statement in statements if statement["Effect"] == "Deny"]
    assert not role(*only_denials).allows("s3:GetObject", OBJECT)


@given(STATEMENTS)
def test_a_denial_of_everything_leaves_nothing(statements: list[dict[str, Any]]) -> None:
    assert not role(*statements, deny("*")).allows("s3:GetObject", OBJECT)


@given(STATEMENTS, STATEMENTS)
def test_more_denials_never_allow_more(statements: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    denials = [{**statement, "Effect": "Deny"} for statement in more]
    if role(*statements, *denials).allows("s3:GetObject", OBJECT):
        assert role(*statements).allows("s3:GetObject", OBJECT)


@given(STATEMENTS, st.randoms())
def test_the_order_of_statements_does_not_matter(statements: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(statements)
    random.shuffle(shuffled)
    assert role(*shuffled).allows("s3:GetObject", OBJECT) == role(*statements).allows("s3:GetObject", OBJECT)


@given(STATEMENTS)
def test_a_boundary_only_takes_away(statements: list[dict[str, Any]]) -> None:
    within = role(*statements, boundary={"Statement": [allow("*")]})
    assert within.allows("s3:GetObject", OBJECT) == role(*statements).allows("s3:GetObject", OBJECT)
    assert not role(allow("*"), boundary={"Statement": statements and [deny("*")]}).allows("s3:GetObject", OBJECT)


@given(st.text(), st.text())
def test_a_star_is_any_text_and_a_text_is_itself(before: str, after: str) -> None:
    assert like(f"{before.replace('*', '')}*", before.replace("*", "") + after)
    literal = before.replace("*", "").replace("?", "")
    assert like(literal, literal)
    assert not like(literal, literal + "x")


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (allow("S3:getobject"), True),
        (allow("s3:Get?bject"), True),
        (allow("s3:PutObject"), False),
        (allow(["iam:*", "s3:Get*"]), True),
        (allow(resource=[f"{BUCKET}/models/*", "arn:aws:s3:::x"]), True),
        (allow(resource=f"{BUCKET}/Models/*"), False),
        (allow(resource=BUCKET), False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": f"{BUCKET}/*"}, False),
        ({"Effect": "Allow", "Action": "*"}, False),
        (allow(resource="arn:aws:s3:::${aws:Nothing}/*"), False),
        (allow(resource="arn:${aws:Part}:s3:::bucket/*"), True),
    ],
)
def test_actions_and_resources(statement: dict[str, Any], allowed: bool) -> None:
    assert role(statement).allows("s3:GetObject", OBJECT, {"aws:Part": "aws"}) is allowed


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"StringLike": {"s3:prefix": ["models/*"]}}, True),
        ({"StringLike": {"S3:Prefix": "other/*"}}, False),
        ({"StringEquals": {"s3:prefix": ["a", "models/"]}}, True),
        ({"StringNotEquals": {"s3:prefix": "models/"}}, False),
        ({"StringNotLike": {"s3:prefix": "x*"}}, True),
        ({"StringEquals": {"absent": "x"}}, False),
        ({"StringEqualsIfExists": {"absent": "x"}}, True),
        ({"StringNotEquals": {"absent": "x"}}, True),
        ({"StringEqualsIgnoreCase": {"s3:prefix": "MODELS/"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Bool": {"aws:SecureTransport": False}}, False),
        ({"Null": {"absent": "true", "s3:prefix": "false"}}, True),
        ({"Null": {"s3:prefix": True}}, False),
        ({"ForAnyValue:StringLike": {"s3:prefix": "mod*"}}, True),
        ({"ForAllValues:StringLike": {"absent": "mod*"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:1:*"}}, True),
        ({"StringEquals": {"s3:prefix": "models/"}, "Bool": {"aws:SecureTransport": "false"}}, False),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], allowed: bool) -> None:
    context = {
        "s3:prefix": "models/",
        "aws:SecureTransport": "true",
        "aws:SourceArn": "arn:aws:sagemaker:us-east-1:1:model/m",
    }
    assert role(allow("s3:ListBucket", Condition=condition)).allows("s3:ListBucket", BUCKET, context) is allowed


def test_a_condition_that_is_not_understood_still_denies() -> None:
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert not role(allow(), deny(Condition=condition)).allows("s3:GetObject", OBJECT)


@pytest.mark.parametrize(
    ("trust", "trusted"),
    [
        ({"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}, True),
        ({"Principal": {"Service": ["a", "sagemaker.amazonaws.com"]}, "Action": ["sts:AssumeRole", "x"]}, True),
        ({"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:*"}, True),
        ({"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:TagSession"}, False),
        ({"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}, False),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"}, False),
        ({"Action": "sts:AssumeRole"}, False),
        (
            {
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": "2"}},
            },
            False,
        ),
    ],
)
def test_trust(trust: dict[str, Any], trusted: bool) -> None:
    made = role(trust={"Statement": {"Effect": "Allow", **trust}})
    assert made.trusts("sagemaker.amazonaws.com", {"aws:SourceAccount": "1"}) is trusted


def test_documents_that_are_no_policies_allow_nothing() -> None:
    for document in ({}, {"Statement": "x"}, {"Statement": [1, None]}, {"Statement": [{"Effect": "Allow"}]}):
        assert not RolePolicies("r", document, (document,)).allows("s3:GetObject", OBJECT)
        assert not RolePolicies("r", document, (document,)).trusts("sagemaker.amazonaws.com")
