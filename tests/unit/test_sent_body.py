"""Bodies of requests made of pieces, and what S3 tells of what was written."""

import base64
import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.aws.sent_body import SendingStopped, SentBody
from core.aws.written_objects import StoredPart, checksum_of_parts, etag_of_parts, hex_of, listed_part
from core.cancellation import CancelToken
from tests.counting_throttle import CountingThrottle


@given(
    pieces=st.lists(st.binary(max_size=20), max_size=8),
    steps=st.lists(st.tuples(st.integers(-5, 60), st.integers(-1, 40)), max_size=8),
)
@settings(max_examples=200)
def test_a_body_reads_as_its_pieces_joined_wherever_it_is_read(
    pieces: list[bytes], steps: list[tuple[int, int]]
) -> None:
    whole = b"".join(pieces)
    body, plain = SentBody(pieces, CancelToken()), io.BytesIO(whole)
    assert (len(body), body.read(), body.read(5), body.tell()) == (len(whole), whole, b"", len(whole))
    for place, size in steps:
        place = min(max(place, 0), len(whole))
        body.seek(place)
        plain.seek(place)
        assert body.read(size) == plain.read(size)
        assert body.tell() == plain.tell()


def test_a_body_is_sought_from_its_beginning_its_end_and_where_it_is() -> None:
    body = SentBody([b"abc", b"def"], CancelToken())
    assert body.seek(-2, io.SEEK_END) == 4
    assert body.read() == b"ef"
    assert body.seek(-3, io.SEEK_CUR) == 3
    assert body.seek(99) == 6
    assert body.seek(-99, io.SEEK_END) == 0
    buffer = bytearray(4)
    assert (body.readinto(buffer), bytes(buffer)) == (4, b"abcd")
    assert (body.readinto(buffer), bytes(buffer)) == (2, b"efcd")


def test_an_empty_body_is_a_body() -> None:
    body = SentBody([b"", b""], CancelToken())
    assert (bool(body), len(body), body.read()) == (True, 0, b"")


def test_pieces_of_any_kind_of_bytes_are_sent() -> None:
    body = SentBody([bytearray(b"ab"), memoryview(b"cd")], CancelToken())  # type: ignore[list-item]
    assert body.read() == b"abcd"


def test_a_stop_is_told_in_the_way_that_botocore_lets_through() -> None:
    cancel = CancelToken()
    throttle = CountingThrottle(most=5)
    body = SentBody([b"x" * 10], cancel, throttle)
    assert body.read(5) == b"xxxxx"
    with pytest.raises(SendingStopped):
        body.read(5)
    with pytest.raises(SendingStopped):
        SentBody([b"x"], cancel).read()


def test_the_throttle_is_asked_for_what_is_read_and_no_more() -> None:
    throttle = CountingThrottle()
    body = SentBody([b"abc", b"defg"], CancelToken(), throttle)
    assert body.read(5) + body.read(5) + body.read(5) == b"abcdefg"
    assert throttle.taken == 7
    body.seek(0)
    body.read()
    assert throttle.taken == 14  # it is sent again


def test_the_checksum_of_parts_is_that_of_their_checksums() -> None:
    contents = [b"one", b"two"]
    parts = [
        StoredPart(number, 3, hashlib.md5(each, usedforsecurity=False).hexdigest(), hashlib.sha256(each).hexdigest())
        for number, each in enumerate(contents, 1)
    ]
    digests = b"".join(hashlib.sha256(each).digest() for each in contents)
    assert checksum_of_parts(parts) == base64.b64encode(hashlib.sha256(digests).digest()).decode() + "-2"
    md5s = b"".join(hashlib.md5(each, usedforsecurity=False).digest() for each in contents)
    assert etag_of_parts(parts) == hashlib.md5(md5s, usedforsecurity=False).hexdigest() + "-2"
    assert checksum_of_parts([parts[0], StoredPart(2, 3, "etag", None)]) is None
    assert etag_of_parts([StoredPart(1, 3, "no md5", None)]) is None
    assert "ChecksumSHA256" not in listed_part(StoredPart(1, 3, "e", None))


@pytest.mark.parametrize("told", [None, "", "nonsense", "AAAA", base64.b64encode(bytes(32)).decode() + "-3"])
def test_what_is_no_sha256_is_none(told: str | None) -> None:
    assert hex_of(told) is None
    assert hex_of(base64.b64encode(bytes(32)).decode()) == "00" * 32
