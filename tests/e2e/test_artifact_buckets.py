"""The bucket that a run makes: as it has to be in the end, and gone again, wherever its making is cut off."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from core.errors import UnreachableError
from tests.e2e.transfers import Transfers
from tests.s3_front import INTERNAL_ERROR

FURNISHING = ["publicAccessBlock", "encryption", "lifecycle", "tagging"]


@pytest.fixture
def own(transfers: Transfers) -> Iterator[Transfers]:
    """Transfers to a bucket that is not there yet."""
    transfers.bucket = f"made-by-a-run-{uuid4().hex[:8]}"
    yield transfers
    assert not there(transfers), "it is gone again"


def there(transfers: Transfers) -> bool:
    s3 = transfers.stand.account.clients.get("s3")
    return any(bucket["Name"] == transfers.bucket for bucket in s3.list_buckets()["Buckets"])


def furnished(transfers: Transfers) -> bool:
    """Whether the bucket is closed, encrypts, lets uploads expire and has tags; an error where one was never set."""
    s3, name = transfers.stand.account.clients.get("s3"), transfers.bucket
    blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    s3.get_bucket_encryption(Bucket=name)
    tags = s3.get_bucket_tagging(Bucket=name)["TagSet"]
    return all(blocked.values()) and "AbortIncompleteMultipartUpload" in rules[0] and bool(tags)


@pytest.mark.parametrize("step", FURNISHING)
def test_a_bucket_whose_making_was_cut_off_is_finished_when_the_run_is_gone_on_with(own: Transfers, step: str) -> None:
    own.front.fault("PUT", query=f"^{step}", refuse=INTERNAL_ERROR, times=99)
    with pytest.raises(UnreachableError):
        own.store(own.plan("cut-off", "archive"))
    identifier = own.deployment
    assert there(own)
    own.front.clear()
    own.go_on(identifier)
    assert furnished(own)
    own.is_right(identifier, "archive")
    own.roll_back(identifier)


@pytest.mark.parametrize("step", FURNISHING)
def test_a_bucket_whose_making_was_cut_off_is_gone_after_a_rollback(own: Transfers, step: str) -> None:
    own.front.fault("PUT", query=f"^{step}", refuse=INTERNAL_ERROR, times=99)
    with pytest.raises(UnreachableError):
        own.store(own.plan("cut-off", "archive"), rollback=True)
    assert own.events[-1].kind == "failed"


def test_a_bucket_that_somebody_else_filled_meanwhile_is_left_as_it_is(own: Transfers) -> None:
    own.front.fault("PUT", query="^publicAccessBlock", refuse=INTERNAL_ERROR, times=99)
    with pytest.raises(UnreachableError):
        own.store(own.plan("filled", "archive"))
    identifier, s3 = own.deployment, own.stand.account.clients.get("s3")
    s3.put_object(Bucket=own.bucket, Key="somebody/s", Body=b"x")
    own.front.clear()
    own.go_on(identifier)
    with pytest.raises(s3.exceptions.ClientError, match="lifecycle"):
        s3.get_bucket_lifecycle_configuration(Bucket=own.bucket)
    own.roll_back(identifier)
    assert there(own)
    s3.delete_object(Bucket=own.bucket, Key="somebody/s")
    s3.delete_bucket(Bucket=own.bucket)
