"""What IAM's simulator says of roles in the sandbox, and what the program makes of it before anything is uploaded."""

import json
from uuid import uuid4

import pytest

from core.aws import buckets, roles
from core.aws.clients import Clients
from core.errors import RefusedError
from tests.contract.sandbox_account import Aws, refused

_READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
_ACCOUNT = "123456789012"


def test_each_action_on_each_resource_is_judged(aws: Aws) -> None:
    arn = aws.role(_READ, {**_READ, "Effect": "Deny", "Resource": "arn:aws:s3:::b/secret/*"})
    answer = aws.iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=["arn:aws:s3:::b/model", "arn:aws:s3:::b/secret/x"],
    )
    said = [
        (one["EvalActionName"], one["EvalResourceName"].rpartition(":")[2], one["EvalDecision"])
        for one in answer["EvaluationResults"]
    ]
    assert said == [
        ("s3:GetObject", "b/model", "allowed"),
        ("s3:GetObject", "b/secret/x", "explicitDeny"),
        ("s3:PutObject", "b/model", "implicitDeny"),
        ("s3:PutObject", "b/secret/x", "implicitDeny"),
    ]


def test_what_a_condition_would_have_to_know_is_named(aws: Aws) -> None:
    tagged = {**_READ, "Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "x"}}}
    answer = aws.iam.simulate_principal_policy(
        PolicySourceArn=aws.role(tagged), ActionNames=["s3:GetObject"], ResourceArns=["arn:aws:s3:::b/model"]
    )
    (one,) = answer["EvaluationResults"][0]["ResourceSpecificResults"]
    assert one["MissingContextValues"] == ["s3:ExistingObjectTag/team"]


def test_a_role_that_is_not_there_and_no_action_are_refused(aws: Aws) -> None:
    absent = f"arn:aws:iam::{_ACCOUNT}:role/absent"
    code, message = refused(aws.iam.simulate_principal_policy, PolicySourceArn=absent, ActionNames=["s3:GetObject"])
    assert (code, message) == ("NoSuchEntity", "The role with name absent cannot be found.")
    assert (
        refused(aws.iam.simulate_principal_policy, PolicySourceArn=aws.role(), ActionNames=[])[0] == "ValidationError"
    )
    assert aws.iam.list_roles()["Roles"]  # other requests go on to moto


def test_a_role_that_may_not_read_the_model_is_refused_before_it_is_uploaded(aws: Aws, clients: Clients) -> None:
    def check(role_arn: str, bucket: str) -> str:
        return roles.check_role(clients, roles.find_role(clients, role_arn), bucket, "k/model.tar.gz")

    bucket = aws.bucket()
    reader = {**_READ, "Resource": f"arn:aws:s3:::{bucket}/*"}
    assert check(aws.role(reader), bucket) == "yes"
    without, denied = aws.role(), aws.role({**reader, "Effect": "Deny"})
    for arn in (without, denied):
        with pytest.raises(RefusedError, match="may not read s3://") as caught:
            check(arn, bucket)
        assert caught.value.fix
    # A policy of the bucket that only denies lets nobody in; one that allows may, which the simulator does not see.
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    statement = {**reader, "Effect": "Deny", "Principal": "*", "Condition": insecure}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    aws.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    with pytest.raises(RefusedError, match="it lacks s3:GetObject"):
        check(without, bucket)
    policy = {"Version": "2012-10-17", "Statement": [{**reader, "Principal": {"AWS": without}}]}
    aws.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert check(without, bucket) == "unknown"
    with pytest.raises(RefusedError, match="forbids s3:GetObject"):
        check(denied, bucket)
    with pytest.raises(RefusedError):
        check(without, f"absent-{uuid4().hex}")


def test_of_a_bucket_it_is_found_which_key_it_encrypts_with(aws: Aws, clients: Clients) -> None:
    bucket = aws.bucket()
    assert buckets.encryption_key(clients, bucket, _ACCOUNT) is None
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/models"}}
    aws.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert buckets.encryption_key(clients, bucket, _ACCOUNT) == "alias/models"
    assert buckets.encryption_key(clients, f"absent-{uuid4().hex}", _ACCOUNT) is None
