"""The sandbox's S3 takes no body that is not what the request says of it, byte for byte."""

import base64
import hashlib
import http.client
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.sandbox.keeping.checksums import ALGORITHMS, compute_checksum
from tests.contract.sandbox_account import Aws, refused

_CONTENT = os.urandom(100_000)


@pytest.fixture
def bucket(aws: Aws) -> str:
    return aws.bucket()


def _flipped(content: bytes, at: int = 4711) -> bytes:
    """The content with one bit of one byte the other way."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _put(aws: Aws, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, Mapping[str, str]]:
    """PUT a body as it is, whatever the headers say of it; return the status, the body and the headers answered."""
    place = urlsplit(aws.running.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        connection.request("PUT", f"/{path}", body, {**_signed(aws), **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.headers)
    finally:
        connection.close()


def _signed(aws: Aws) -> dict[str, str]:
    scope = f"{aws.running.access_key_id}/20260101/us-east-1/s3/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def _keys(aws: Aws, bucket: str) -> list[str]:
    return [item["Key"] for item in aws.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def _chunked(content: bytes, *, trailer: str = "", signed: bool = False, size: int = 40_000) -> bytes:
    """The content as AWS's clients send it in chunks."""
    mark = ";chunk-signature=" + "0" * 64 if signed else ""
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    chunks = b"".join(f"{len(piece):x}{mark}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return chunks + f"0{mark}\r\n{trailer}\r\n".encode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_in_a_header_is_verified(aws: Aws, bucket: str, algorithm: str) -> None:
    header = f"x-amz-checksum-{algorithm.lower()}"
    told = {header: compute_checksum(_CONTENT, algorithm).decode()}
    status, said, _ = _put(aws, f"{bucket}/x", _flipped(_CONTENT), told)
    assert (status, "<Code>BadDigest</Code>" in said) == (400, True)
    assert f"The {algorithm} you specified did not match what we received." in said
    assert _keys(aws, bucket) == []
    status, _, headers = _put(aws, f"{bucket}/x", _CONTENT, told)
    assert (status, headers[header]) == (200, told[header])
    found = aws.s3.get_object(Bucket=bucket, Key="x", ChecksumMode="ENABLED")
    assert found["Body"].read() == _CONTENT
    assert found[f"Checksum{algorithm}"] == told[header]
    assert found["ETag"] == f'"{hashlib.md5(_CONTENT, usedforsecurity=False).hexdigest()}"'


def test_what_was_there_before_a_refused_body_stays(aws: Aws, bucket: str, sandbox_folder: Path) -> None:
    aws.s3.put_object(Bucket=bucket, Key="x", Body=b"before")
    kept = sandbox_folder / "data/sandbox/account/objects"
    files = set(kept.iterdir())
    told = {"x-amz-checksum-sha256": compute_checksum(_CONTENT, "SHA256").decode()}
    assert _put(aws, f"{bucket}/x", _flipped(_CONTENT), told)[0] == 400
    assert aws.s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"before"
    assert set(kept.iterdir()) <= files


def test_a_content_md5_is_verified(aws: Aws, bucket: str) -> None:
    told = {"Content-MD5": base64.b64encode(hashlib.md5(_CONTENT, usedforsecurity=False).digest()).decode()}
    status, said, _ = _put(aws, f"{bucket}/x", _flipped(_CONTENT), told)
    assert (status, "<Code>BadDigest</Code>" in said) == (400, True)
    assert "The Content-MD5 you specified did not match what we received." in said
    assert "<Code>InvalidDigest</Code>" in _put(aws, f"{bucket}/x", _CONTENT, {"Content-MD5": "nonsense"})[1]
    assert _keys(aws, bucket) == []
    assert _put(aws, f"{bucket}/x", _CONTENT, told)[0] == 200


def test_the_hash_that_a_request_was_signed_with_is_verified(aws: Aws, bucket: str) -> None:
    told = {"x-amz-content-sha256": hashlib.sha256(_CONTENT).hexdigest()}
    status, said, _ = _put(aws, f"{bucket}/x", _flipped(_CONTENT), told)
    assert (status, "<Code>XAmzContentSHA256Mismatch</Code>" in said) == (400, True)
    assert _keys(aws, bucket) == []
    assert _put(aws, f"{bucket}/x", _CONTENT, told)[0] == 200
    assert _put(aws, f"{bucket}/x", _CONTENT, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})[0] == 200


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC64NVME", "SHA256"])
@pytest.mark.parametrize("signed", [False, True])
def test_a_checksum_behind_the_body_is_verified(aws: Aws, bucket: str, algorithm: str, signed: bool) -> None:
    header = f"x-amz-checksum-{algorithm.lower()}"
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" if signed else "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    about = {"x-amz-content-sha256": kind, "x-amz-trailer": header, "Content-Encoding": "aws-chunked"}
    about |= {"x-amz-decoded-content-length": str(len(_CONTENT)), "x-amz-sdk-checksum-algorithm": algorithm}
    checksum = compute_checksum(_CONTENT, algorithm).decode()
    trailer = f"{header}:{checksum}\r\n"
    status, said, _ = _put(aws, f"{bucket}/x", _chunked(_flipped(_CONTENT), trailer=trailer, signed=signed), about)
    assert (status, "<Code>BadDigest</Code>" in said) == (400, True)
    assert "<Code>MalformedTrailerError</Code>" in _put(aws, f"{bucket}/x", _chunked(_CONTENT, signed=signed), about)[1]
    assert _keys(aws, bucket) == []
    assert _put(aws, f"{bucket}/x", _chunked(_CONTENT, trailer=trailer, signed=signed), about)[0] == 200
    found = aws.s3.get_object(Bucket=bucket, Key="x", ChecksumMode="ENABLED")
    assert found["Body"].read() == _CONTENT
    assert found[f"Checksum{algorithm}"] == checksum
    assert "aws-chunked" not in found.get("ContentEncoding", "")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda body: body[:50_000],  # ends within a chunk
        lambda body: body[:40_010] + b"xx" + body[40_012:],
        lambda body: b"not hex\r\n" + body,
        lambda body: _chunked(_CONTENT[:-1]),  # less than it says it decodes to
    ],
)
def test_chunks_that_are_not_whole_are_refused(aws: Aws, bucket: str, spoilt: Any) -> None:
    about = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding": "aws-chunked"}
    about["x-amz-decoded-content-length"] = str(len(_CONTENT))
    status, said, _ = _put(aws, f"{bucket}/x", spoilt(_chunked(_CONTENT)), about)
    assert (status, "<Code>IncompleteBody</Code>" in said) == (400, True)
    assert _keys(aws, bucket) == []


def test_a_body_that_breaks_off_leaves_nothing_behind(aws: Aws, bucket: str, sandbox_folder: Path) -> None:
    log = sandbox_folder / "data/sandbox/server.log"
    before = log.read_text()
    place = urlsplit(aws.running.url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        head = f"PUT /{bucket}/x HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 200000\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in _signed(aws).items())
        connection.sendall(head.encode() + b"\r\n" + _CONTENT)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert b"IncompleteBody" in answer
    assert _keys(aws, bucket) == []
    assert log.read_text() == before


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-checksum-sha256": "AAAA"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "SHA256"}, "InvalidRequest"),
        ({"x-amz-checksum-xxhash64": "AAAAAAAAAAA="}, "NotImplemented"),
    ],
)
def test_what_cannot_be_verified_is_refused(aws: Aws, bucket: str, headers: Mapping[str, str], code: str) -> None:
    assert f"<Code>{code}</Code>" in _put(aws, f"{bucket}/x", _CONTENT, headers)[1]
    assert _keys(aws, bucket) == []


def test_more_bytes_than_s3_takes_at_once_are_refused_before_they_are_sent(aws: Aws, bucket: str) -> None:
    place = urlsplit(aws.running.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    connection.putrequest("PUT", f"/{bucket}/x")
    for name, value in {**_signed(aws), "Content-Length": str(5 * 2**30 + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"<Code>EntityTooLarge</Code>" in answer.read()) == (400, True)
    connection.close()


def test_parts_are_verified_too(aws: Aws, bucket: str) -> None:
    begun = aws.s3.create_multipart_upload(Bucket=bucket, Key="x", ChecksumAlgorithm="SHA256")["UploadId"]
    path = f"{bucket}/x?partNumber=1&uploadId={begun}"
    told = {"x-amz-checksum-sha256": compute_checksum(_CONTENT, "SHA256").decode()}
    assert "<Code>BadDigest</Code>" in _put(aws, path, _flipped(_CONTENT), told)[1]
    assert "Parts" not in aws.s3.list_parts(Bucket=bucket, Key="x", UploadId=begun)
    status, _, headers = _put(aws, path, _CONTENT, told)
    assert (status, headers["x-amz-checksum-sha256"]) == (200, told["x-amz-checksum-sha256"])
    assert "<Code>BadDigest</Code>" in _put(aws, path, _flipped(_CONTENT), told)[1]
    (part,) = aws.s3.list_parts(Bucket=bucket, Key="x", UploadId=begun)["Parts"]
    assert part["ChecksumSHA256"] == told["x-amz-checksum-sha256"]  # the good one is still there
    other = {"x-amz-checksum-crc32": compute_checksum(_CONTENT, "CRC32").decode()}
    for wrong, actual in ((other, "crc32"), ({}, "null")):
        said = _put(aws, path, _CONTENT, wrong)[1]
        assert f"expected checksum Type: sha256, actual checksum Type: {actual}" in said


def test_boto3_bodies_of_every_kind_pass(aws: Aws, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_bytes(_CONTENT)
    for algorithm in (None, "CRC32", "SHA1", "SHA256"):
        wanted = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        with file.open("rb") as body:
            aws.s3.put_object(Bucket=bucket, Key="x", Body=body, **wanted)
        assert aws.s3.get_object(Bucket=bucket, Key="x")["Body"].read() == _CONTENT
    aws.s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert aws.s3.head_object(Bucket=bucket, Key="empty")["ContentLength"] == 0
    assert refused(aws.s3.put_object, Bucket="no-such-bucket-here", Key="x", Body=b"x")[0] == "NoSuchBucket"
