"""Roles, against the sandbox's IAM."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from core.aws import roles
from core.aws.clients import Clients, StaticCredentials
from core.aws.policies import artifact_policy, trust_policy
from core.aws.tags import resource_tags
from core.errors import AccessError, NotFoundError, RefusedError, SagewizardError, UsageError
from core.sandbox.daemon import RunningSandbox

TAGS = resource_tags(deployment_id="d-1", model="sample", dialect="messages", engine="huggingface")
LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def clients(sandbox: RunningSandbox, tmp_path: Path) -> Clients:
    return Clients(
        region="us-east-1",
        endpoint_url=sandbox.url,
        credentials=StaticCredentials(sandbox.access_key_id, sandbox.secret_access_key),
    )


@pytest.fixture
def name() -> str:
    return f"sagewizard-{uuid4().hex[:12]}"


def policy_for(name: str) -> dict[str, Any]:
    return artifact_policy(
        partition="aws",
        region="us-east-1",
        account_id="123456789012",
        bucket="b",
        prefix="p/",
        image_repository_arn="arn:aws:ecr:us-east-1:763104351884:repository/hf",
        endpoint_name=name,
    )


def by_hand(clients: Clients, name: str, trust: Mapping[str, Any], path: str = "/") -> str:
    made = clients.get("iam").create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))
    arn: str = made["Role"]["Arn"]
    return arn


def test_a_role_is_made_found_listed_and_deleted(clients: Clients, name: str) -> None:
    assert not roles.role_exists(clients, name)
    made = roles.create_role(clients, name, policy=policy_for(name), tags=TAGS)
    assert made.ours
    assert roles.find_role(clients, name) == roles.find_role(clients, made.arn)
    assert name in [role.name for role in roles.list_roles(clients)]
    assert roles.role_tags(clients, name) == TAGS
    stored = clients.get("iam").get_role_policy(RoleName=name, PolicyName=roles.POLICY_NAME)["PolicyDocument"]
    assert stored == policy_for(name)
    assert roles.check_role(clients, made, "b", "p/model.tar.gz") in {"yes", "unknown"}
    clients.get("iam").attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert roles.delete_role(clients, name)
    assert not roles.delete_role(clients, name)
    assert not roles.role_exists(clients, name)


def test_a_role_is_found_and_checked_where_only_listing_is_allowed(clients: Clients, name: str) -> None:
    arn = by_hand(clients, name, trust_policy())
    clients.get("iam").put_role_policy(
        RoleName=name, PolicyName=roles.POLICY_NAME, PolicyDocument=json.dumps(policy_for(name))
    )

    def deny(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")

    events = clients.get("iam").meta.events
    events.register("before-call.iam.GetRole", deny)
    try:
        found = roles.find_role(clients, arn)
        assert found.arn == arn
        assert roles.check_role(clients, found, "b", "p/model.tar.gz") in {"yes", "unknown"}
        with pytest.raises(NotFoundError):
            roles.find_role(clients, f"absent-{uuid4().hex[:8]}")
        with pytest.raises(AccessError):  # what would be deleted has to be seen with its tags
            roles.delete_role(clients, name)
    finally:
        events.unregister("before-call.iam.GetRole", deny)


def test_a_taken_name_is_refused(clients: Clients, name: str) -> None:
    by_hand(clients, name, trust_policy())
    with pytest.raises(RefusedError, match="already"):
        roles.create_role(clients, name, policy=policy_for(name), tags=TAGS)


def test_a_role_of_somebody_else_is_never_deleted(clients: Clients, name: str) -> None:
    by_hand(clients, name, trust_policy())  # the name alone does not make it ours
    with pytest.raises(RefusedError, match="not made by sagewizard"):
        roles.delete_role(clients, name)
    assert roles.role_exists(clients, name)


def test_only_roles_that_sagemaker_may_take_on_are_listed(clients: Clients) -> None:
    usable, unusable = f"usable-{uuid4().hex[:8]}", f"lambda-{uuid4().hex[:8]}"
    by_hand(clients, usable, trust_policy())
    by_hand(clients, unusable, LAMBDA)
    listed = roles.list_roles(clients)
    names = [role.name for role in listed]
    assert usable in names
    assert unusable not in names
    assert [role.created for role in listed] == sorted((role.created for role in listed), reverse=True)
    with pytest.raises(RefusedError, match="does not name sagemaker"):
        roles.check_role(clients, roles.find_role(clients, unusable), "b", "k")


def test_a_role_below_a_path_is_found_by_its_arn(clients: Clients, name: str) -> None:
    arn = by_hand(clients, name, trust_policy(), "/service-role/")
    assert roles.find_role(clients, arn).name == name
    with pytest.raises(NotFoundError) as caught:
        roles.find_role(clients, arn.replace("service-role/", ""))
    assert arn in caught.value.fix


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ("AmazonSageMakerFullAccess", UsageError, "is a policy, not a role"),
        ("arn:aws:iam::aws:policy/AmazonSageMakerFullAccess", UsageError, "is a policy, not a role"),
        ("no-such-role", NotFoundError, "no role “no-such-role”"),
        ("arn:aws:iam::999999999999:role/theirs", RefusedError, "belongs to the account 999999999999"),
        ("arn:aws:iam::123456789012:user/me", UsageError, "not the ARN of a role"),
        ("arn:nonsense", UsageError, "not the ARN of a role"),
        ("two words", UsageError, "not the name of a role"),
        ("", UsageError, "not the name of a role"),
    ],
)
def test_what_is_no_role_is_told_from_one(clients: Clients, given: str, kind: type[SagewizardError], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        roles.find_role(clients, given)
    assert type(caught.value) is kind
    assert caught.value.fix
