"""Uploads in parts and copies in the sandbox's S3: what S3 tells of them, and what it refuses."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core.sandbox.keeping.checksums import compute_checksum
from tests.contract.sandbox_account import Aws, refused

_PART = 5 * 2**20  # the smallest that S3 takes, but for the last


@pytest.fixture
def bucket(aws: Aws) -> str:
    return aws.bucket()


def _begin(aws: Aws, bucket: str, key: str = "x", **more: str) -> dict[str, Any]:
    about = {"Bucket": bucket, "Key": key}
    return {**about, "UploadId": aws.s3.create_multipart_upload(**about, **more)["UploadId"]}


def _sha256(content: bytes) -> dict[str, str]:
    return {"ChecksumSHA256": compute_checksum(content, "SHA256").decode()}


def _sent(aws: Aws, about: Mapping[str, Any], number: int, content: bytes) -> dict[str, Any]:
    told = _sha256(content)
    etag = aws.s3.upload_part(**about, PartNumber=number, Body=content, **told)["ETag"]
    return {"PartNumber": number, "ETag": etag, **told}


def _parts_on_disk(sandbox_folder: Path) -> set[str]:
    return {path.name for path in (sandbox_folder / "data/sandbox/work").glob("part-*")}


def test_parts_are_listed_with_their_checksums_page_by_page(aws: Aws, bucket: str) -> None:
    about = _begin(aws, bucket, ChecksumAlgorithm="SHA256")
    contents = {number: os.urandom(number) for number in (7, 2, 10_000, 5, 90)}
    for number, content in contents.items():
        _sent(aws, about, number, content)
    pages = list(aws.s3.get_paginator("list_parts").paginate(**about, PaginationConfig={"PageSize": 2}))
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
    assert {page["ChecksumAlgorithm"] for page in pages} == {"SHA256"}
    found = [part for page in pages for part in page["Parts"]]
    assert [(part["PartNumber"], part["Size"]) for part in found] == [
        (number, len(contents[number])) for number in sorted(contents)
    ]
    assert [part["ChecksumSHA256"] for part in found] == [
        _sha256(contents[number])["ChecksumSHA256"] for number in sorted(contents)
    ]


def test_a_part_is_replaced_by_a_later_one_of_its_number(aws: Aws, bucket: str, sandbox_folder: Path) -> None:
    before = _parts_on_disk(sandbox_folder)
    about = _begin(aws, bucket, ChecksumAlgorithm="SHA256")
    old = _sent(aws, about, 1, b"old")
    new = _sent(aws, about, 1, b"new one")
    assert len(_parts_on_disk(sandbox_folder) - before) == 1
    assert refused(aws.s3.complete_multipart_upload, **about, MultipartUpload={"Parts": [old]})[0] == "InvalidPart"
    made = aws.s3.complete_multipart_upload(**about, MultipartUpload={"Parts": [new]})
    assert made["ChecksumSHA256"].endswith("-1")
    assert aws.s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"new one"
    assert _parts_on_disk(sandbox_folder) <= before


def test_an_aborted_upload_leaves_no_parts(aws: Aws, bucket: str, sandbox_folder: Path) -> None:
    before = _parts_on_disk(sandbox_folder)
    about = _begin(aws, bucket, ChecksumAlgorithm="SHA256")
    _sent(aws, about, 1, b"one")
    _sent(aws, about, 2, b"two")
    aws.s3.abort_multipart_upload(**about)
    assert _parts_on_disk(sandbox_folder) <= before
    for call in (aws.s3.list_parts, aws.s3.abort_multipart_upload):
        assert refused(call, **about)[0] == "NoSuchUpload"


def test_an_unknown_upload_is_refused_whatever_is_asked_of_it(aws: Aws, bucket: str) -> None:
    aws.s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    about = {**_begin(aws, bucket), "UploadId": "nonsense"}
    of_another_key = {**_begin(aws, bucket), "Key": "y"}
    for which in (about, of_another_key):
        parts = {"Parts": [{"PartNumber": 1, "ETag": "x"}]}
        copy = {"CopySource": f"{bucket}/source", "PartNumber": 1}
        assert refused(aws.s3.upload_part, **which, PartNumber=1, Body=b"x")[0] == "NoSuchUpload"
        assert refused(aws.s3.upload_part_copy, **which, **copy)[0] == "NoSuchUpload"
        assert refused(aws.s3.complete_multipart_upload, **which, MultipartUpload=parts)[0] == "NoSuchUpload"
        assert refused(aws.s3.list_parts, **which)[0] == "NoSuchUpload"


@pytest.mark.parametrize("number", [0, 10_001, -1])
def test_a_number_that_no_part_has_is_refused(aws: Aws, bucket: str, number: int) -> None:
    about = _begin(aws, bucket)
    assert refused(aws.s3.upload_part, **about, PartNumber=number, Body=b"x")[0] == "InvalidArgument"


def test_an_object_of_parts_has_the_checksum_of_their_checksums(aws: Aws, bucket: str) -> None:
    contents = [os.urandom(_PART), b"the rest"]
    about = _begin(aws, bucket, ChecksumAlgorithm="SHA256")
    parts = [_sent(aws, about, number, content) for number, content in enumerate(contents, 1)]
    digests = b"".join(hashlib.sha256(content).digest() for content in contents)
    expected = f"{_sha256(digests)['ChecksumSHA256']}-2"
    wrong = {"ChecksumSHA256": _sha256(b"else")["ChecksumSHA256"]}
    complete = aws.s3.complete_multipart_upload
    assert refused(complete, **about, **wrong, MultipartUpload={"Parts": parts})[0] == "BadDigest"
    made = complete(**about, ChecksumSHA256=expected, MultipartUpload={"Parts": parts})
    head = aws.s3.head_object(Bucket=bucket, Key="x", ChecksumMode="ENABLED")
    found = aws.s3.get_object(Bucket=bucket, Key="x", ChecksumMode="ENABLED")
    for told in (made, head, found):
        assert (told["ChecksumSHA256"], told["ChecksumType"]) == (expected, "COMPOSITE")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_an_object_of_parts_has_the_crc_of_its_content_where_that_is_asked_for(
    aws: Aws, bucket: str, algorithm: str
) -> None:
    contents = [os.urandom(_PART), b"the rest"]
    about = {"Bucket": bucket, "Key": "x"}
    begun = aws.s3.create_multipart_upload(**about, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == (algorithm, "FULL_OBJECT")
    about["UploadId"] = begun["UploadId"]
    parts = []
    for number, content in enumerate(contents, 1):
        told = {f"Checksum{algorithm}": compute_checksum(content, algorithm).decode()}
        parts.append(
            {"PartNumber": number, "ETag": aws.s3.upload_part(**about, **told, PartNumber=number, Body=content)["ETag"]}
        )
    aws.s3.complete_multipart_upload(**about, MultipartUpload={"Parts": parts})
    head = aws.s3.head_object(Bucket=bucket, Key="x", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == compute_checksum(b"".join(contents), algorithm).decode()
    assert head["ChecksumType"] == "FULL_OBJECT"


def test_an_object_is_not_made_of_what_was_not_sent(aws: Aws, bucket: str) -> None:
    about = _begin(aws, bucket, ChecksumAlgorithm="SHA256")
    good = [_sent(aws, about, 1, os.urandom(_PART)), _sent(aws, about, 2, b"end")]
    complete = aws.s3.complete_multipart_upload
    bare = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in good]
    cases: list[tuple[list[dict[str, Any]], str]] = [
        ([good[0], {**good[1], "ChecksumSHA256": good[0]["ChecksumSHA256"]}], "InvalidPart"),
        ([good[0], {**good[1], "ETag": good[0]["ETag"]}], "InvalidPart"),
        ([*good, {**good[1], "PartNumber": 3}], "InvalidPart"),
        (good[::-1], "InvalidPartOrder"),
        (bare, "InvalidRequest"),
        ([], "MalformedXML"),
    ]
    for parts, code in cases:
        assert refused(complete, **about, MultipartUpload={"Parts": parts})[0] == code
    assert refused(complete, **about, MultipartUpload={"Parts": good}, MpuObjectSize=_PART)[0] == "InvalidRequest"
    assert "Contents" not in aws.s3.list_objects_v2(Bucket=bucket)
    assert complete(**about, MultipartUpload={"Parts": good}, MpuObjectSize=_PART + 3)["Key"] == "x"
    assert complete(**about, MultipartUpload={"Parts": good})["Key"] == "x"  # again: its answer may have been lost


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}, "InvalidRequest"),
        ({"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"}, "InvalidRequest"),
        ({"ChecksumType": "COMPOSITE"}, "InvalidRequest"),
        ({"ChecksumAlgorithm": "ROT13"}, "InvalidRequest"),
        ({"ChecksumAlgorithm": "XXHASH3"}, "NotImplemented"),
    ],
)
def test_a_checksum_that_no_object_has_is_refused(aws: Aws, bucket: str, wanted: dict[str, str], code: str) -> None:
    assert refused(aws.s3.create_multipart_upload, Bucket=bucket, Key="x", **wanted)[0] == code


def test_parts_are_copied_from_objects(aws: Aws, bucket: str) -> None:
    content = os.urandom(_PART + 1000)
    etag = aws.s3.put_object(Bucket=bucket, Key="ü source", Body=content)["ETag"]
    source = {"CopySource": {"Bucket": bucket, "Key": "ü source"}}
    about = _begin(aws, bucket, ChecksumAlgorithm="SHA256")
    parts, expected = [], b""
    for number, (start, stop) in enumerate([(100, 100 + _PART), (0, 50)], 1):
        piece = content[start:stop]
        made = aws.s3.upload_part_copy(
            **about,
            **source,
            PartNumber=number,
            CopySourceIfMatch=etag,
            CopySourceRange=f"bytes={start}-{stop - 1}",
        )["CopyPartResult"]
        assert made["ChecksumSHA256"] == _sha256(piece)["ChecksumSHA256"]
        parts.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumSHA256": made["ChecksumSHA256"]})
        expected += piece
    aws.s3.complete_multipart_upload(**about, MultipartUpload={"Parts": parts})
    assert aws.s3.get_object(Bucket=bucket, Key="x")["Body"].read() == expected
    about = _begin(aws, bucket)
    made = aws.s3.upload_part_copy(**about, **source, PartNumber=1)["CopyPartResult"]
    aws.s3.complete_multipart_upload(**about, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": made["ETag"]}]})
    assert aws.s3.get_object(Bucket=bucket, Key="x")["Body"].read() == content


def test_a_copy_of_what_is_not_meant_is_refused(aws: Aws, bucket: str) -> None:
    etag = aws.s3.put_object(Bucket=bucket, Key="source", Body=b"content")["ETag"]
    about = _begin(aws, bucket)
    whole = {"Bucket": bucket, "Key": "copy"}
    part = {**about, "PartNumber": 1}
    other = {"CopySource": f"{bucket}/source", "CopySourceIfMatch": '"0123"'}
    for call, request in ((aws.s3.copy_object, whole), (aws.s3.upload_part_copy, part)):
        assert refused(call, **request, **other)[0] == "PreconditionFailed"
        assert refused(call, **request, CopySource=f"{bucket}/absent")[0] == "NoSuchKey"
        assert refused(call, **request, CopySource="no-such-bucket-here/source")[0] == "NoSuchBucket"
        call(**request, CopySource=f"{bucket}/source", CopySourceIfMatch=etag)
        call(**request, CopySource=f"{bucket}/source", CopySourceIfMatch=etag.strip('"'))
    for asked in ("bytes=3-7", "bytes=5-4", "bytes=2-", "3-5"):
        found = refused(aws.s3.upload_part_copy, **part, CopySource=f"{bucket}/source", CopySourceRange=asked)
        assert found[0] == "InvalidArgument"


def test_a_copy_has_the_checksum_that_is_asked_for(aws: Aws, bucket: str) -> None:
    content = os.urandom(1000)
    aws.s3.put_object(Bucket=bucket, Key="source", Body=content)
    source = {"CopySource": {"Bucket": bucket, "Key": "source"}}
    for algorithm in ("SHA256", "CRC32C"):
        made = aws.s3.copy_object(Bucket=bucket, Key="copy", **source, ChecksumAlgorithm=algorithm)
        expected = compute_checksum(content, algorithm).decode()
        assert made["CopyObjectResult"][f"Checksum{algorithm}"] == expected
        head = aws.s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
        assert head[f"Checksum{algorithm}"] == expected
    aws.s3.put_object(Bucket=bucket, Key="source", Body=b"")
    aws.s3.copy_object(Bucket=bucket, Key="copy", **source, ChecksumAlgorithm="SHA256")
    assert aws.s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == 0
    about = _begin(aws, bucket, ChecksumAlgorithm="SHA256")
    part = aws.s3.upload_part_copy(**about, PartNumber=1, **source)["CopyPartResult"]
    assert part["ChecksumSHA256"] == _sha256(b"")["ChecksumSHA256"]
