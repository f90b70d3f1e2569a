"""Buckets and objects, against the sandbox's S3."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

from core.account import Account
from core.aws import buckets, objects
from core.aws.clients import Clients, StaticCredentials
from core.aws.tags import resource_tags
from core.errors import RefusedError
from core.sandbox.daemon import RunningSandbox

TAGS = resource_tags(deployment_id="d-1", model="/home/me/my model", dialect="inputs", engine="huggingface")


def account_in(running: RunningSandbox, ledgers: Path, region: str = "us-east-1") -> Account:
    clients = Clients(
        region=region,
        endpoint_url=running.url,
        credentials=StaticCredentials(running.access_key_id, running.secret_access_key),
    )
    return Account(clients, label="sandbox", ledgers=ledgers, sandbox=True)


@pytest.fixture
def account(sandbox: RunningSandbox, tmp_path: Path) -> Account:
    return account_in(sandbox, tmp_path)


@pytest.fixture
def account_id(account: Account) -> str:
    return account.identity().account_id


def made_bucket(account: Account, account_id: str) -> str:
    name = f"bucket-{uuid4().hex[:12]}"
    assert buckets.create_bucket(account.clients, name)
    buckets.furnish_bucket(account.clients, name, account_id, TAGS)
    return name


@pytest.fixture
def bucket(account: Account, account_id: str) -> str:
    return made_bucket(account, account_id)


@contextmanager
def denied(client: Any, which: Callable[[Any], bool]) -> Iterator[None]:
    """Have S3 answer AccessDenied to these requests, as IAM would have it."""

    def answer(request: Any, **_: object) -> AWSResponse | None:
        if not which(request):
            return None
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return AWSResponse(request.url, 403, {}, HTTPResponse(BytesIO(body), preload_content=False))

    client.meta.events.register("before-send.s3", answer)
    try:
        yield
    finally:
        client.meta.events.unregister("before-send.s3", answer)


def test_the_default_bucket_is_the_one_of_the_sagemaker_sdk(account_id: str) -> None:
    assert buckets.default_bucket_name("us-east-1", account_id) == f"sagemaker-us-east-1-{account_id}"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_an_absent_bucket_is_made_closed_encrypted_and_ours(
    sandbox: RunningSandbox, tmp_path: Path, region: str
) -> None:
    account = account_in(sandbox, tmp_path, region)
    account_id, s3 = account.identity().account_id, account.clients.get("s3")
    name = made_bucket(account, account_id)
    assert buckets.bucket_exists(account.clients, name, account_id)
    blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert blocked == dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    rule = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert buckets.bucket_tags(account.clients, name, account_id) == TAGS


def test_a_bucket_of_another_region_is_refused(
    sandbox: RunningSandbox, account: Account, account_id: str, tmp_path: Path
) -> None:
    name = made_bucket(account_in(sandbox, tmp_path, "eu-west-1"), account_id)
    with pytest.raises(RefusedError, match="is in eu-west-1") as caught:
        buckets.bucket_exists(account.clients, name, account_id)
    assert "--region eu-west-1" in caught.value.fix


def test_a_bucket_is_bare_until_it_has_tags_or_holds_something(account: Account, account_id: str, bucket: str) -> None:
    clients, s3, bare = account.clients, account.clients.get("s3"), f"bucket-{uuid4().hex[:12]}"
    assert not buckets.is_bare(clients, bucket, account_id), "it has tags"
    assert not buckets.is_bare(clients, bare, account_id), "it is not there"
    assert buckets.create_bucket(clients, bare)
    assert buckets.is_bare(clients, bare, account_id)
    with denied(s3, lambda request: "tagging" in request.url):
        assert not buckets.is_bare(clients, bare, account_id), "nobody can tell"
    s3.put_object(Bucket=bare, Key="k", Body=b"")
    assert not buckets.is_bare(clients, bare, account_id)


def test_only_an_empty_bucket_is_deleted(account: Account, account_id: str, bucket: str) -> None:
    account.clients.get("s3").put_object(Bucket=bucket, Key="k", Body=b"x")
    assert not buckets.delete_bucket_if_empty(account.clients, bucket, account_id)
    objects.delete_object(account.clients, bucket, "k", account_id)
    assert buckets.delete_bucket_if_empty(account.clients, bucket, account_id)
    assert buckets.delete_bucket_if_empty(account.clients, bucket, account_id)
    assert not buckets.bucket_exists(account.clients, bucket, account_id)
    assert buckets.bucket_tags(account.clients, bucket, account_id) == {}


def test_a_bucket_that_does_not_tell_its_tags_has_none(account: Account, account_id: str, bucket: str) -> None:
    with denied(account.clients.get("s3"), lambda request: "tagging" in request.url):
        assert buckets.bucket_tags(account.clients, bucket, account_id) == {}


def test_a_prefix_is_deleted_with_the_uploads_to_it_and_nothing_else(
    account: Account, account_id: str, bucket: str
) -> None:
    s3 = account.clients.get("s3")
    for key in ("a/1", "a/2", "ab", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.create_multipart_upload(Bucket=bucket, Key="a/3")
    s3.create_multipart_upload(Bucket=bucket, Key="c")
    assert objects.delete_prefix(account.clients, bucket, "a/", account_id) == 2
    assert objects.list_keys(account.clients, bucket, "", account_id) == ("ab", "b")
    assert [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["c"]
    assert objects.delete_prefix(account.clients, bucket, "a/", account_id) == 0
    for prefix in ("", "/"):
        with pytest.raises(ValueError, match="whole bucket"):
            objects.delete_prefix(account.clients, bucket, prefix, account_id)


def test_where_versions_are_kept_they_go_too(account: Account, account_id: str, bucket: str) -> None:
    s3 = account.clients.get("s3")
    s3.put_object(Bucket=bucket, Key="a/before", Body=b"x")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a/1", "a/1", "a/10", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_object(Bucket=bucket, Key="a/10")
    objects.delete_object(account.clients, bucket, "a/1", account_id)
    left = [item["Key"] for item in s3.list_object_versions(Bucket=bucket)["Versions"]]
    assert sorted(left) == ["a/10", "a/before", "b"]
    objects.delete_prefix(account.clients, bucket, "a/1", account_id)
    found = s3.list_object_versions(Bucket=bucket)
    assert (sorted(item["Key"] for item in found["Versions"]), found.get("DeleteMarkers", [])) == (
        ["a/before", "b"],
        [],
    )


def test_who_may_not_list_versions_deletes_what_is_seen(account: Account, account_id: str, bucket: str) -> None:
    s3 = account.clients.get("s3")
    s3.put_object(Bucket=bucket, Key="a/1", Body=b"x")
    with denied(s3, lambda request: "versions" in request.url):
        assert objects.delete_prefix(account.clients, bucket, "a/", account_id) == 1
    assert objects.list_keys(account.clients, bucket, "", account_id) == ()


def test_what_is_absent_is_not_found_and_can_be_deleted(account: Account, account_id: str, bucket: str) -> None:
    assert objects.read_bytes(account.clients, bucket, "absent", account_id, limit=1) is None
    objects.delete_object(account.clients, bucket, "absent", account_id)
    assert objects.list_keys(account.clients, "no-such-bucket-at-all", "x", account_id) == ()
