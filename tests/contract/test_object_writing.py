"""Objects written to S3 by `ObjectWriter`, against the sandbox."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

from core.aws import object_writing
from core.aws.clients import Clients
from core.aws.object_writing import ObjectWriter, StoredPart
from core.aws.written_objects import hex_of
from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, NotFoundError, SagewizardError, SignInExpiredError
from core.models.stored_objects import ObjectChangedError
from tests.counting_throttle import CountingThrottle

_ACCOUNT = "123456789012"
_PART = 5 * 2**20  # the smallest that S3 takes, but for the last


@pytest.fixture
def s3(clients: Clients) -> Any:
    return clients.get("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"bucket-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def cancel() -> CancelToken:
    return CancelToken()


@pytest.fixture
def writer(clients: Clients, bucket: str, cancel: CancelToken) -> ObjectWriter:
    return _writer(clients, bucket, cancel)


def _writer(clients: Clients, bucket: str, cancel: CancelToken, **more: Any) -> ObjectWriter:
    about = {"account_id": _ACCOUNT, "tags": {"a:b": "c d"}, "metadata": {"deployment": "d-1"}, **more}
    return ObjectWriter(clients, bucket, cancel=cancel, **about)


Answering = Callable[[Any], tuple[int, str] | None]
"""Says what is answered to a request in the place of S3: a status and a body; `None`: S3 itself answers."""


@contextmanager
def _answered(s3: Any, answering: Answering) -> Iterator[list[Any]]:
    """Answer some requests in the place of S3; collects all that are made."""
    seen: list[Any] = []

    def answer(request: Any, **_: object) -> AWSResponse | None:
        seen.append(request)
        found = answering(request)
        if found is None:
            return None
        return AWSResponse(request.url, found[0], {}, HTTPResponse(BytesIO(found[1].encode()), preload_content=False))

    s3.meta.events.register("before-send.s3", answer)
    try:
        yield seen
    finally:
        s3.meta.events.unregister("before-send.s3", answer)


def _error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>So says S3.</Message></Error>"


def _content(s3: Any, bucket: str, key: str) -> bytes:
    found: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return found


def test_an_object_is_written_with_its_checksum_tags_and_metadata(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    pieces = [os.urandom(1000), b"", os.urandom(70_000)]
    with _answered(s3, lambda _: None) as seen:
        written = writer.put("a/ü", pieces)
    whole = b"".join(pieces)
    assert (written.key, written.bytes) == ("a/ü", 71_000)
    assert {bytes(each.headers["x-amz-expected-bucket-owner"]).decode() for each in seen} == {_ACCOUNT}
    head = s3.head_object(Bucket=bucket, Key="a/ü", ChecksumMode="ENABLED")
    assert head["ETag"] == f'"{written.etag}"'
    assert head["Metadata"] == {"deployment": "d-1"}
    assert hex_of(head["ChecksumSHA256"]) == hashlib.sha256(whole).hexdigest()
    assert s3.get_object_tagging(Bucket=bucket, Key="a/ü")["TagSet"] == [{"Key": "a:b", "Value": "c d"}]
    assert _content(s3, bucket, "a/ü") == whole
    assert writer.object_at("a/ü") == written
    assert writer.object_at("absent") is None


def test_an_empty_object_is_written(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    for pieces in ([], [b""]):
        assert writer.put("empty", pieces).bytes == 0
        assert _content(s3, bucket, "empty") == b""


def test_content_that_is_not_what_its_digest_says_is_refused(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    with pytest.raises(SagewizardError, match=f"s3://{bucket}/x.*did not match"):
        writer.put("x", [b"content"], hashlib.sha256(b"other").digest())
    assert writer.object_at("x") is None


def test_a_body_is_read_once_and_for_sending_only(clients: Clients, bucket: str, cancel: CancelToken) -> None:
    throttle = CountingThrottle()
    writer = _writer(clients, bucket, cancel, throttle=throttle)
    writer.put("x", [bytes(300_000)])
    upload = writer.begin("y")
    writer.put_part("y", upload, 1, [bytes(200_000), bytes(100_000)])
    assert throttle.taken == 600_000


def test_parts_sent_in_any_order_become_one_object(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    contents = {1: os.urandom(_PART), 2: os.urandom(_PART), 3: b"end"}
    upload = writer.begin("large")
    assert writer.parts("large", upload) == ()
    sent = {number: writer.put_part("large", upload, number, [contents[number]]) for number in (3, 1, 2)}
    parts = [sent[number] for number in (1, 2, 3)]
    assert writer.parts("large", upload) == tuple(parts)
    assert parts[2] == StoredPart(3, 3, parts[2].etag, hashlib.sha256(b"end").hexdigest())
    made = writer.complete("large", upload, parts)
    assert (made.bytes, made.etag[-2:]) == (2 * _PART + 3, "-3")
    assert _content(s3, bucket, "large") == b"".join(contents.values())
    head = s3.head_object(Bucket=bucket, Key="large")
    assert head["Metadata"] == {"deployment": "d-1"}
    assert s3.get_object_tagging(Bucket=bucket, Key="large")["TagSet"] == [{"Key": "a:b", "Value": "c d"}]


def test_an_upload_is_taken_up_again(
    s3: Any, clients: Clients, bucket: str, writer: ObjectWriter, cancel: CancelToken
) -> None:
    upload = writer.begin("p/large")
    other = writer.begin("p/large")
    writer.begin("q")
    first = os.urandom(_PART)
    writer.put_part("p/large", upload, 1, [first])
    writer.put_part("p/large", upload, 2, [b"spoilt"])
    again = _writer(clients, bucket, cancel)
    assert {key: set(ids) for key, ids in again.uploads("p/").items()} == {"p/large": {upload, other}}
    there = {part.number: part for part in again.parts("p/large", upload)}
    assert there[1].sha256 == hashlib.sha256(first).hexdigest()
    there[2] = again.put_part("p/large", upload, 2, [b"right"])  # in the place of the other
    again.complete("p/large", upload, [there[1], there[2]])
    assert _content(s3, bucket, "p/large") == first + b"right"
    again.abort("p/large", other)
    assert again.uploads("p/") == {}


def test_more_parts_and_uploads_than_a_page_has_are_all_found(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    upload = writer.begin("x")

    def in_pages_of_two(params: dict[str, Any], **_: object) -> None:
        params["MaxParts"] = 2

    for number in (9, 4, 7, 1, 3):
        writer.put_part("x", upload, number, [b"x" * number])
    s3.meta.events.register("before-parameter-build.s3.ListParts", in_pages_of_two)
    with _answered(s3, lambda _: None) as seen:
        found = writer.parts("x", upload)
    assert [(part.number, part.bytes) for part in found] == [(number, number) for number in (1, 3, 4, 7, 9)]
    assert len(seen) == 3
    pages = [
        f"<ListMultipartUploadsResult><IsTruncated>{more}</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
        f"<NextUploadIdMarker>{upload}</NextUploadIdMarker><Upload><Key>k</Key><UploadId>{upload}</UploadId></Upload>"
        "</ListMultipartUploadsResult>"
        for upload, more in (("first", "true"), ("second", "false"))
    ]
    with _answered(s3, lambda _: (200, pages.pop(0))):
        assert writer.uploads("") == {"k": ("first", "second")}


def test_an_upload_that_is_gone_is_not_found(writer: ObjectWriter) -> None:
    upload = writer.begin("x")
    part = writer.put_part("x", upload, 1, [b"x"])
    writer.abort("x", upload)
    writer.abort("x", upload)
    with pytest.raises(NotFoundError):
        writer.parts("x", upload)
    with pytest.raises(NotFoundError):
        writer.put_part("x", upload, 1, [b"x"])
    with pytest.raises(NotFoundError):
        writer.complete("x", upload, [part])


def test_an_upload_whose_completion_was_not_heard_of_is_complete(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    upload = writer.begin("x")
    parts = [writer.put_part("x", upload, 1, [b"content"])]
    made = writer.complete("x", upload, parts)
    gone = (404, _error("NoSuchUpload"))
    with _answered(s3, lambda request: gone if request.method == "POST" else None):
        assert writer.complete("x", upload, parts) == made
        with pytest.raises(NotFoundError):  # another object is there
            writer.complete("x", upload, [StoredPart(1, 7, parts[0].etag, hashlib.sha256(b"another").hexdigest())])
        writer.put("x", [b"content"])
        with pytest.raises(NotFoundError):  # of the same content, but not made of these parts
            writer.complete("x", upload, parts)


def test_a_completion_that_fails_after_a_good_status_is_tried_again(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    upload = writer.begin("x")
    parts = [writer.put_part("x", upload, 1, [b"content"])]
    answers = [(200, _error("InternalError"))]
    with _answered(s3, lambda _: answers.pop() if answers else None) as seen:
        writer.complete("x", upload, parts)
    assert len(seen) == 2
    assert _content(s3, bucket, "x") == b"content"


def test_parts_that_are_not_those_that_were_sent_make_no_object(writer: ObjectWriter) -> None:
    upload = writer.begin("x")
    part = writer.put_part("x", upload, 1, [b"content"])
    for wrong in (
        StoredPart(1, 7, part.etag, hashlib.sha256(b"other").hexdigest()),
        StoredPart(1, 8, part.etag, part.sha256),
        StoredPart(2, 7, part.etag, part.sha256),
    ):
        with pytest.raises(SagewizardError, match="put together"):
            writer.complete("x", upload, [wrong])
    assert writer.object_at("x") is None
    assert writer.complete("x", upload, [part]).bytes == 7


def test_a_body_is_sent_anew_from_its_beginning(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    content = os.urandom(200_000)
    failures = [(503, _error("SlowDown"))]

    def fails_once(request: Any) -> tuple[int, str] | None:
        if not failures:
            return None
        request.body.read(150_000)  # so much had been sent
        return failures.pop()

    with _answered(s3, fails_once) as seen:
        writer.put("x", [content[:7], content[7:]])
    assert len(seen) == 2
    assert _content(s3, bucket, "x") == content


def test_objects_are_encrypted_with_the_key(s3: Any, clients: Clients, bucket: str, cancel: CancelToken) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    writer = _writer(clients, bucket, cancel, kms_key=key)
    writer.put("whole", [b"x"])
    upload = writer.begin("parts")
    writer.complete("parts", upload, [writer.put_part("parts", upload, 1, [b"x"])])
    writer.copy("copy", bucket, "whole", None, 1)
    for written in ("whole", "parts", "copy"):
        head = s3.head_object(Bucket=bucket, Key=written)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_s3_copies_an_object_without_what_is_noted_with_it(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    source = {"Bucket": bucket, "Key": "ü source"}
    etag = s3.put_object(**source, Body=b"content", Metadata={"of": "another"}, Tagging="its=tag")["ETag"].strip('"')
    for held in (etag, None):
        written = writer.copy("copy", bucket, "ü source", held, 7)
        assert written == writer.object_at("copy")
    head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert head["Metadata"] == {"deployment": "d-1"}
    assert hex_of(head["ChecksumSHA256"]) == hashlib.sha256(b"content").hexdigest()
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [{"Key": "a:b", "Value": "c d"}]
    assert _content(s3, bucket, "copy") == b"content"


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_source_that_is_another_one_by_now_is_not_copied(
    s3: Any, bucket: str, writer: ObjectWriter, monkeypatch: pytest.MonkeyPatch, in_parts: bool
) -> None:
    if in_parts:
        monkeypatch.setattr(object_writing, "LARGEST_COPY", 3)
    etag = s3.put_object(Bucket=bucket, Key="source", Body=b"content")["ETag"].strip('"')
    s3.put_object(Bucket=bucket, Key="source", Body=b"CONTENT")
    with pytest.raises(ObjectChangedError, match=f"s3://{bucket}/source changed"):
        writer.copy("copy", bucket, "source", etag, 7)
    with pytest.raises(NotFoundError, match=f"s3://{bucket}/absent"):
        writer.copy("copy", bucket, "absent", etag, 7)
    assert writer.object_at("copy") is None
    assert writer.uploads("") == {}


def test_a_large_object_is_copied_in_parts(
    s3: Any, bucket: str, writer: ObjectWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_writing, "LARGEST_COPY", _PART)
    monkeypatch.setattr(object_writing, "_COPIED_PART", _PART)
    content = os.urandom(2 * _PART + 1)
    etag = s3.put_object(Bucket=bucket, Key="source", Body=content, Metadata={"of": "another"})["ETag"].strip('"')
    written = writer.copy("copy", bucket, "source", etag, len(content))
    assert written.etag.endswith("-3")
    assert written == writer.object_at("copy")
    assert _content(s3, bucket, "copy") == content
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"deployment": "d-1"}


def test_a_stop_ends_an_upload_in_the_midst_of_a_part(
    s3: Any, clients: Clients, bucket: str, cancel: CancelToken
) -> None:
    writer = _writer(clients, bucket, cancel, throttle=CountingThrottle(most=_PART // 2))
    upload = writer.begin("x")
    with _answered(s3, lambda _: None) as seen, pytest.raises(CancelledByUser):
        writer.put_part("x", upload, 1, [bytes(_PART)])
    assert len(seen) == 1  # it was not tried again
    with pytest.raises(CancelledByUser):
        writer.put("y", [b"not begun"])
    writer.abort("x", upload)
    after = _writer(clients, bucket, CancelToken())
    assert after.uploads("") == {}
    assert after.object_at("y") is None


def test_an_answer_that_comes_after_a_stop_is_not_told_as_a_failure(
    s3: Any, bucket: str, writer: ObjectWriter, cancel: CancelToken
) -> None:
    def stopped(_: Any) -> tuple[int, str]:
        cancel.cancel()
        return 400, _error("RequestTimeout")

    with _answered(s3, stopped), pytest.raises(CancelledByUser):
        writer.begin("x")


def test_who_may_not_tag_writes_without_tags(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    def refuses_tags(request: Any) -> tuple[int, str] | None:
        return (403, _error("AccessDenied")) if "x-amz-tagging" in request.headers else None

    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    with _answered(s3, refuses_tags) as seen:
        writer.put("whole", [b"content"])
        assert len(seen) == 2
        upload = writer.begin("parts")
        writer.copy("copy", bucket, "source", None, 1)
        assert len(seen) == 4  # it is known by now
        writer.abort("parts", upload)
    assert _content(s3, bucket, "whole") == b"content"
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == []


def test_who_may_not_write_is_told_so(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    with _answered(s3, lambda _: (403, _error("AccessDenied"))), pytest.raises(AccessError, match=f"s3://{bucket}/x"):
        writer.put("x", [b"content"])
    with _answered(s3, lambda _: (403, _error("AccessDenied"))):
        assert writer.uploads("") == {}
    with _answered(s3, lambda _: None) as seen:
        writer.put("x", [b"content"])
    assert ["x-amz-tagging" in each.headers for each in seen] == [True]  # tags were not what was denied


def test_credentials_that_expire_are_told_as_such(s3: Any, bucket: str, writer: ObjectWriter) -> None:
    upload = writer.begin("x")
    with _answered(s3, lambda _: (400, _error("ExpiredToken"))) as seen:
        for call in (
            lambda: writer.put("x", [b"content"]),
            lambda: writer.put_part("x", upload, 1, [b"content"]),
            lambda: writer.uploads(""),
            lambda: writer.copy("copy", bucket, "x", None, 1),
        ):
            before = len(seen)
            with pytest.raises(SignInExpiredError):
                call()
            assert len(seen) == before + 1  # not asked for again without tags


def test_a_bucket_that_is_not_there_is_not_found(clients: Clients, bucket: str, cancel: CancelToken) -> None:
    with pytest.raises(NotFoundError):
        _writer(clients, "no-such-bucket-here", cancel).put("x", [b"content"])
