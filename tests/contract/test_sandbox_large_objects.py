"""Objects of the sandbox's S3 that come in parts and are read in pieces."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.sandbox import daemon
from core.sandbox.keeping.checksums import compute_checksum
from tests.contract.sandbox_account import Aws, refused

_PART = 5 * 2**20  # the smallest that S3 takes, but for the last


@pytest.fixture
def bucket(aws: Aws) -> str:
    return aws.bucket()


def _upload(aws: Aws, bucket: str, parts: Iterator[bytes] | list[bytes], checksum: str | None = None) -> Any:
    """Upload parts; the first one's checksum is the others' too, as they are the same where there is one."""
    wanted = {"ChecksumAlgorithm": checksum} if checksum else {}
    begun = aws.s3.create_multipart_upload(Bucket=bucket, Key="large", **wanted)["UploadId"]
    about = {"Bucket": bucket, "Key": "large", "UploadId": begun}
    sent: list[Any] = []
    told: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        if checksum and not told:
            told = {f"Checksum{checksum}": compute_checksum(part, checksum).decode()}
        etag = aws.s3.upload_part(**about, **told, PartNumber=number, Body=part)["ETag"]
        sent.append({"PartNumber": number, "ETag": etag, **told})
    return aws.s3.complete_multipart_upload(**about, MultipartUpload={"Parts": sent})


def test_what_was_sent_in_parts_is_one_object(aws: Aws, bucket: str) -> None:
    parts = [os.urandom(_PART), os.urandom(_PART), b"the rest"]
    md5s = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
    made = _upload(aws, bucket, parts)
    assert made["ETag"] == f'"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-3"'
    whole = b"".join(parts)
    found = aws.s3.get_object(Bucket=bucket, Key="large")
    assert (found["ContentLength"], found["ETag"]) == (len(whole), made["ETag"])
    assert found["Body"].read() == whole
    aws.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "large"})
    assert aws.s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == whole


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("0-0", 0, 1), ("3-9", 3, 10), ("8-", 8, None), ("-4", -4, None), ("5-999", 5, None), ("-999", 0, None)],
)
def test_a_range_is_what_was_asked_for(aws: Aws, bucket: str, asked: str, start: int, stop: int | None) -> None:
    content = bytes(range(20))
    aws.s3.put_object(Bucket=bucket, Key="x", Body=content)
    found = aws.s3.get_object(Bucket=bucket, Key="x", Range=f"bytes={asked}")
    wanted = content[start:stop]
    assert found["Body"].read() == wanted
    first = content.index(wanted[0])
    assert found["ContentLength"] == len(wanted)
    assert found["ContentRange"] == f"bytes {first}-{first + len(wanted) - 1}/20"


def test_a_range_beyond_the_end_is_refused_and_an_empty_object_is_empty(aws: Aws, bucket: str) -> None:
    aws.s3.put_object(Bucket=bucket, Key="x", Body=b"short")
    assert refused(aws.s3.get_object, Bucket=bucket, Key="x", Range="bytes=5-")[0] == "InvalidRange"
    aws.s3.put_object(Bucket=bucket, Key="x", Body=b"")
    found = aws.s3.get_object(Bucket=bucket, Key="x")
    assert (found["ContentLength"], found["Body"].read()) == (0, b"")


def test_parts_that_are_too_small_or_not_those_that_were_sent_are_refused(aws: Aws, bucket: str) -> None:
    begun = aws.s3.create_multipart_upload(Bucket=bucket, Key="x")["UploadId"]
    about = {"Bucket": bucket, "Key": "x", "UploadId": begun}
    sent = [aws.s3.upload_part(**about, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(sent, 1)]
    complete = aws.s3.complete_multipart_upload
    assert refused(complete, **about, MultipartUpload={"Parts": parts})[0] == "EntityTooSmall"
    other = [{"PartNumber": 1, "ETag": '"0123"'}]
    assert refused(complete, **about, MultipartUpload={"Parts": other})[0] == "InvalidPart"
    assert complete(**about, MultipartUpload={"Parts": parts[:1]})["Key"] == "x"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what Linux tells of processes")
@pytest.mark.parametrize("checksum", ["SHA256", "CRC64NVME"])
def test_the_memory_does_not_grow_with_an_object(isolated_home: object, checksum: str) -> None:
    running = daemon.start()
    try:
        aws = Aws(running)
        bucket = aws.bucket()
        _upload(aws, bucket, [os.urandom(_PART)], checksum)
        piece, count = os.urandom(_PART), 80
        with _watched(running.pid) as seen:
            _upload(aws, bucket, (piece for _ in range(count)), checksum)
            read = aws.s3.get_object(Bucket=bucket, Key="large")["Body"].iter_chunks(2**20)
            assert sum(map(len, read)) == count * _PART
        assert max(seen) - seen[0] < count * _PART / 2
    finally:
        daemon.stop()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what Linux tells of processes")
def test_the_memory_does_not_grow_with_what_is_sent_or_copied_at_once(isolated_home: object, tmp_path: Path) -> None:
    size = 40 * _PART
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(size)
    running = daemon.start()
    try:
        aws = Aws(running)
        bucket = aws.bucket()
        aws.s3.put_object(Bucket=bucket, Key="warm", Body=b"x")
        with _watched(running.pid) as seen, large.open("rb") as body:
            aws.s3.put_object(Bucket=bucket, Key="large", Body=body)
            source = {"Bucket": bucket, "Key": "large"}
            aws.s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, ChecksumAlgorithm="SHA256")
            about = {"Bucket": bucket, "Key": "parts"}
            about["UploadId"] = aws.s3.create_multipart_upload(**about, ChecksumAlgorithm="SHA256")["UploadId"]
            aws.s3.upload_part_copy(**about, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=1-{size - 1}")
        assert aws.s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == size
        assert max(seen) - seen[0] < size / 2
    finally:
        daemon.stop()


@contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """Collect the memory of its own that a process has meanwhile, in bytes, every few milliseconds."""
    seen, over = [_memory(pid)], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            seen.append(_memory(pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def _memory(pid: int) -> int:
    found = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(found["RssAnon"].split()[0]) * 1024
