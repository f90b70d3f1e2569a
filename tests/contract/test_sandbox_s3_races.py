"""Objects of the sandbox's S3 while several requests work on them at once, and deletions of many."""

import threading
from pathlib import Path

from botocore.exceptions import ClientError

from core.sandbox import daemon
from tests.contract.sandbox_account import Aws

_ROUNDS = 60


def test_an_object_that_is_read_while_it_is_replaced_is_the_old_or_the_new_one(aws: Aws, sandbox_folder: Path) -> None:
    bucket = aws.bucket()
    kept = sandbox_folder / "data/sandbox/account/objects"
    before = len(list(kept.iterdir()))
    bodies = [bytes([letter]) * 200_000 for letter in b"ab"]
    aws.s3.put_object(Bucket=bucket, Key="x", Body=bodies[0])
    faults: list[object] = []

    def write() -> None:
        for number in range(_ROUNDS):
            try:
                aws.s3.put_object(Bucket=bucket, Key="x", Body=bodies[number % 2])
            except ClientError as error:
                faults.append(error)

    def read() -> None:
        for _ in range(_ROUNDS):
            try:
                found = aws.s3.get_object(Bucket=bucket, Key="x")["Body"].read()
                if found not in bodies:
                    faults.append(found[:10])
            except ClientError as error:
                faults.append(error)

    threads = [threading.Thread(target=work) for work in (write, write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    aws.s3.delete_object(Bucket=bucket, Key="x")
    assert len(list(kept.iterdir())) <= before  # what was replaced is not kept for ever


def test_what_was_deleted_with_others_stays_deleted_over_a_restart(isolated_home: Path) -> None:
    aws = Aws(daemon.start())
    try:
        bucket = aws.bucket()
        aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for key in ("one", "two & <three>", "four"):
            aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        doomed = [{"Key": "one"}, {"Key": "two & <three>"}]
        assert "Errors" not in aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed})
        daemon.stop()
        aws = Aws(daemon.start())
        assert [item["Key"] for item in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["four"]
        assert len(aws.s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]) == 2
    finally:
        daemon.stop()
