"""What the sandbox's account holds, over stops, kills and damage of what is kept."""

import contextlib
import io
import itertools
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from core.sandbox import daemon, processes
from core.sandbox.administration import set_quota
from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import IMAGE, TRUST, Aws, refused, until
from tests.contract.test_sandbox_live_endpoints import ask, model_that_says

_MANAGED = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


def _stopped(_running: RunningSandbox) -> None:
    assert daemon.stop()


def _killed(running: RunningSandbox) -> None:
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: processes.identity(running.pid), lambda found: found != running.process)


@pytest.fixture(params=[_stopped, _killed])
def again(request: pytest.FixtureRequest) -> Callable[[Aws], Aws]:
    """Ends the sandbox, in one way or the other, and starts it again."""

    def end_and_start(aws: Aws) -> Aws:
        request.param(aws.running)
        return Aws(daemon.start(), aws.region)

    return end_and_start


def _start() -> Aws:
    return Aws(daemon.start())


def _shown(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs from one request to the next, and with its body read."""
    shown = {name: value for name, value in answer.items() if name not in {"ResponseMetadata", "Body"}}
    return {**shown, **({"bytes": answer["Body"].read()} if "Body" in answer else {})}


def test_buckets_are_as_they_were(own: Path, again: Callable[[Aws], Aws]) -> None:
    aws = _start()
    aws.s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    aws.s3.create_bucket(Bucket="near")
    aws.s3.create_bucket(Bucket="gone")
    aws.s3.put_bucket_tagging(Bucket="near", Tagging={"TagSet": [{"Key": "a", "Value": "ü"}]})
    aws.s3.put_bucket_cors(
        Bucket="near", CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    )
    aws.s3.delete_bucket_cors(Bucket="near")
    aws.s3.put_bucket_versioning(Bucket="far", VersioningConfiguration={"Status": "Enabled"})
    aws.s3.put_public_access_block(
        Bucket="near",
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    aws.s3.put_bucket_encryption(
        Bucket="near",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    rule = {
        "ID": "x",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    aws.s3.put_bucket_lifecycle_configuration(Bucket="near", LifecycleConfiguration={"Rules": [rule]})
    aws.s3.put_bucket_policy(Bucket="near", Policy='{"Version": "2012-10-17", "Statement": []}')
    aws.s3.delete_bucket(Bucket="gone")

    def seen(aws: Aws) -> list[Any]:
        near = [
            getattr(aws.s3, f"get_{what}")(Bucket="near")
            for what in (
                *("bucket_tagging", "public_access_block", "bucket_encryption", "bucket_lifecycle_configuration"),
                *("bucket_policy", "bucket_location", "bucket_versioning", "bucket_acl"),
            )
        ]
        far = [aws.s3.get_bucket_location(Bucket="far"), aws.s3.get_bucket_versioning(Bucket="far")]
        return [_shown(answer) for answer in (aws.s3.list_buckets(), *near, *far)]

    before = seen(aws)
    assert before[0]["Buckets"]
    after = again(aws)
    assert seen(after) == before
    assert refused(after.s3.get_bucket_cors, Bucket="near")[0] == "NoSuchCORSConfiguration"


def test_objects_are_as_they_were(own: Path, kept: Path, again: Callable[[Aws], Aws]) -> None:
    aws, data = _start(), os.urandom(17 * 2**20)
    bucket = aws.bucket()
    aws.s3.upload_fileobj(
        io.BytesIO(data), bucket, "many/parts", ExtraArgs={"Tagging": "one=1", "Metadata": {"m": "v"}}
    )
    aws.s3.put_object(
        Bucket=bucket, Key="ü {}+%/a //b", Body=b"first", ContentType="text/plain", ChecksumAlgorithm="SHA256"
    )
    aws.s3.put_object(Bucket=bucket, Key="over", Body=b"old")
    aws.s3.put_object(Bucket=bucket, Key="over", Body=b"new", ContentEncoding="gzip")
    aws.s3.put_object_tagging(Bucket=bucket, Key="over", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    aws.s3.put_object_acl(Bucket=bucket, Key="over", ACL="public-read")
    aws.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "over"})
    aws.s3.put_object(Bucket=bucket, Key="empty")
    for key in ("gone", "gone-too", "and-this"):
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    aws.s3.delete_object(Bucket=bucket, Key="gone")
    aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "gone-too"}, {"Key": "and-this"}]})
    keys = ["copy", "empty", "many/parts", "over", "ü {}+%/a //b"]

    def seen(aws: Aws) -> list[Any]:
        found: list[Any] = [aws.s3.list_objects_v2(Bucket=bucket)["Contents"]]
        for key in keys:
            where = {"Bucket": bucket, "Key": key}
            found.append(_shown(aws.s3.get_object(**where, ChecksumMode="ENABLED")))
            found.append(_shown(aws.s3.get_object_tagging(**where)))
        return [*found, _shown(aws.s3.get_object_acl(Bucket=bucket, Key="over"))]

    before = seen(aws)
    assert [each["Key"] for each in before[0]] == keys
    after = again(aws)
    assert seen(after) == before
    assert len(list((kept / "objects").iterdir())) == len(keys)
    part = after.s3.get_object(Bucket=bucket, Key="many/parts", Range="bytes=8388600-8388699")["Body"].read()
    assert part == data[8388600:8388700]
    for key in keys:
        after.s3.delete_object(Bucket=bucket, Key=key)
    assert list((kept / "objects").iterdir()) == []
    after.s3.delete_bucket(Bucket=bucket)
    assert again(after).s3.list_buckets()["Buckets"] == []


def test_versions_of_objects_are_as_they_were(own: Path, again: Callable[[Aws], Aws]) -> None:
    aws = _start()
    bucket = aws.bucket()
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        aws.s3.put_object(Bucket=bucket, Key="k", Body=body)
    aws.s3.delete_object(Bucket=bucket, Key="k")
    before = _shown(aws.s3.list_object_versions(Bucket=bucket))
    after = again(aws)
    assert _shown(after.s3.list_object_versions(Bucket=bucket)) == before
    assert refused(after.s3.get_object, Bucket=bucket, Key="k")[0] == "NoSuchKey"
    bodies = {
        after.s3.get_object(Bucket=bucket, Key="k", VersionId=version["VersionId"])["Body"].read()
        for version in before["Versions"]
    }
    assert bodies == {b"1", b"2"}


def test_identities_are_as_they_were(own: Path, again: Callable[[Aws], Aws]) -> None:
    aws = _start()
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    )
    policy = aws.iam.create_policy(PolicyName="own", Path="/p/", PolicyDocument=document, Description="d")["Policy"][
        "Arn"
    ]
    aws.iam.create_policy_version(PolicyArn=policy, PolicyDocument=document, SetAsDefault=True)
    made = {
        "Path": "/service-role/",
        "Description": "für alle",
        "Tags": [{"Key": "a", "Value": "b"}],
        "MaxSessionDuration": 7200,
    }
    aws.iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST), **made)
    aws.iam.put_role_policy(RoleName="worker", PolicyName="inline", PolicyDocument=document)
    aws.iam.attach_role_policy(RoleName="worker", PolicyArn=_MANAGED)
    aws.iam.attach_role_policy(RoleName="worker", PolicyArn=policy)
    aws.iam.create_role(RoleName="gone", AssumeRolePolicyDocument=json.dumps(TRUST))
    aws.iam.delete_role(RoleName="gone")
    aws.iam.create_user(UserName="someone", Tags=[{"Key": "c", "Value": "d"}])
    aws.iam.attach_user_policy(UserName="someone", PolicyArn=policy)
    key = aws.iam.create_access_key(UserName="someone")["AccessKey"]

    def seen(aws: Aws) -> list[Any]:
        iam = aws.iam
        return [
            iam.get_policy(PolicyArn=_MANAGED)["Policy"]["AttachmentCount"],
            *(
                _shown(answer)
                for answer in (
                    iam.list_roles(),
                    iam.get_role(RoleName="worker"),
                    iam.list_attached_role_policies(RoleName="worker"),
                    iam.get_role_policy(RoleName="worker", PolicyName="inline"),
                    iam.get_policy(PolicyArn=policy),
                    iam.list_policy_versions(PolicyArn=policy),
                    iam.list_users(),
                    iam.get_user(UserName="someone"),
                    iam.list_attached_user_policies(UserName="someone"),
                    iam.list_access_keys(UserName="someone"),
                    iam.list_access_keys(UserName="sandbox"),
                )
            ),
        ]

    before = seen(aws)
    after = again(aws)
    assert seen(after) == before
    theirs = Aws(
        RunningSandbox(
            **{
                **{name: getattr(after.running, name) for name in RunningSandbox.__slots__},
                "access_key_id": key["AccessKeyId"],
                "secret_access_key": key["SecretAccessKey"],
            }
        )
    )
    assert theirs.sts.get_caller_identity()["Arn"].endswith(":user/someone")


def test_what_hosting_holds_is_as_it_was(own: Path, again: Callable[[Aws], Aws]) -> None:
    aws = _start()
    set_quota(aws.running, "ml.g5.48xlarge", 3)
    model = aws.model(Tags=[{"Key": "a", "Value": "b"}])
    config = aws.config(aws.variant(model), Tags=[{"Key": "c", "Value": "d"}])
    aws.sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName=config)
    assert aws.settled("broken")["EndpointStatus"] == "Failed"
    aws.sagemaker.delete_model(ModelName=aws.model())

    def seen(aws: Aws) -> list[Any]:
        sagemaker = aws.sagemaker
        arns = [found["ModelArn"] for found in sagemaker.list_models()["Models"]]
        return [
            sagemaker.list_models()["Models"],
            sagemaker.list_endpoint_configs()["EndpointConfigs"],
            [sagemaker.list_tags(ResourceArn=arn)["Tags"] for arn in arns],
            _shown(sagemaker.describe_model(ModelName=model)),
            _shown(sagemaker.describe_endpoint_config(EndpointConfigName=config)),
            _shown(sagemaker.describe_endpoint(EndpointName="broken")),
            [
                quota["Value"]
                for page in aws.service_quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
                for quota in page["Quotas"]
                if quota["QuotaName"].startswith("ml.g5.48xlarge ")
            ],
        ]

    before = seen(aws)
    assert before[-1] == [3.0]
    after = again(aws)
    assert seen(after) == before
    after.sagemaker.create_model(
        ModelName="new",
        PrimaryContainer={"Image": IMAGE},
        ExecutionRoleArn=after.sagemaker.describe_model(ModelName=model)["ExecutionRoleArn"],
    )
    after.remove("broken")
    assert again(after).sagemaker.list_endpoints()["Endpoints"] == []


def test_an_endpoint_answers_again(own: Path, again: Callable[[Aws], Aws]) -> None:
    aws = _start()
    config = aws.config(aws.variant(model_that_says(aws, "still here")))
    aws.sagemaker.create_endpoint(EndpointName="kept", EndpointConfigName=config, Tags=[{"Key": "a", "Value": "b"}])
    before = aws.settled("kept")
    assert before["EndpointStatus"] == "InService"
    after = again(aws)
    found = after.sagemaker.describe_endpoint(EndpointName="kept")
    assert found["EndpointStatus"] in {"Creating", "InService"}
    assert found["CreationTime"] == before["CreationTime"]
    assert after.settled("kept")["EndpointStatus"] == "InService"
    assert ask(after, "kept")["said"] == "still here"
    assert after.sagemaker.list_tags(ResourceArn=found["EndpointArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    after.sagemaker.delete_endpoint(EndpointName="kept")
    assert again(after).sagemaker.list_endpoints()["Endpoints"] == []


def test_an_endpoint_killed_while_it_was_created_comes_up(own: Path, tmp_path: Path) -> None:
    aws, gate = _start(), tmp_path / "gate"
    config = aws.config(aws.variant(model_that_says(aws, "late", {"GATE": str(gate)})))
    aws.sagemaker.create_endpoint(EndpointName="early", EndpointConfigName=config)
    assert aws.sagemaker.describe_endpoint(EndpointName="early")["EndpointStatus"] == "Creating"
    _killed(aws.running)
    gate.touch()
    after = _start()
    assert after.settled("early")["EndpointStatus"] == "InService"


def test_every_upload_that_was_answered_is_there_after_a_kill(own: Path, kept: Path) -> None:
    aws = _start()
    bucket = aws.bucket()
    tried: dict[str, int] = {}
    answered: dict[str, int] = {}

    def upload(name: str) -> None:
        client = Aws(aws.running).s3
        with contextlib.suppress(BotoCoreError, ClientError):
            for number in itertools.count():
                key = f"{name}/{number % 7}"  # each is overwritten again and again
                tried[key] = number
                client.put_object(Bucket=bucket, Key=key, Body=f"{number} ".encode() * 50_000)
                answered[key] = number

    uploading = [threading.Thread(target=upload, args=(name,)) for name in "abc"]
    for thread in uploading:
        thread.start()
    until(lambda: len(answered), lambda count: count == 21)
    _killed(aws.running)
    for thread in uploading:
        thread.join()
    after = _start()
    for key, number in answered.items():
        found = after.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert found in {f"{each} ".encode() * 50_000 for each in (number, tried[key])}, key
    assert len(list((kept / "objects").iterdir())) <= len(tried)


def test_reset_forgets_everything(own: Path, kept: Path) -> None:
    aws = _start()
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    aws.model()
    (aws.running.ledgers / "one.jsonl").write_text("{}")
    empty = Aws(daemon.reset())
    assert empty.s3.list_buckets()["Buckets"] == []
    assert empty.iam.list_roles()["Roles"] == []
    assert empty.sagemaker.list_models()["Models"] == []
    assert list(empty.running.ledgers.iterdir()) == []
    assert list((kept / "objects").iterdir()) == []
