"""The checksums that the sandbox works out by itself."""

import base64
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.sandbox.keeping.checksums import (
    ALGORITHMS,
    claimed,
    compute_checksum,
    decoded,
    encoded,
    joined,
    kind_of,
    new_checksum,
)
from core.sandbox.keeping.crc import CRC32, CRC32C, CRC64NVME, Crc
from core.sandbox.keeping.refusals import RefusedRequestError

_LONG = bytes(range(256)) * 4200  # longer than a block of 1,024 lanes, which is 1 MiB


@pytest.mark.parametrize(
    ("crc", "expected"), [(CRC32, 0xCBF43926), (CRC32C, 0xE3069283), (CRC64NVME, 0xAE8B14860A799888)]
)
def test_a_crc_has_its_published_check_value(crc: Crc, expected: int) -> None:
    assert crc.of(b"123456789") == expected


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_048_576, len(_LONG)])
def test_a_crc_of_many_bytes_is_what_zlib_finds(size: int) -> None:
    assert CRC32.of(_LONG[:size]) == zlib.crc32(_LONG[:size])


@pytest.mark.parametrize("crc", [CRC32, CRC32C, CRC64NVME])
@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
@settings(max_examples=40)
def test_a_crc_of_two_runs_comes_from_those_of_each(crc: Crc, first: bytes, second: bytes) -> None:
    whole = crc.of(first + second)
    assert crc.of(second, crc.of(first)) == whole
    assert crc.joined(crc.of(first), crc.of(second), len(second)) == whole


@pytest.mark.parametrize("crc", [CRC32C, CRC64NVME])
def test_bytes_in_lanes_and_one_by_one_have_the_same_crc(crc: Crc) -> None:
    short = 60_000  # below the smallest block of lanes
    found = 0
    for start in range(0, len(_LONG), short):
        found = crc.of(_LONG[start : start + short], found)
    assert found == crc.of(_LONG)
    assert crc.joined(crc.of(_LONG[:70_000]), crc.of(_LONG[70_000:]), len(_LONG) - 70_000) == found


def test_the_checksum_of_an_object_comes_from_those_of_its_parts() -> None:
    parts = [_LONG[:100], _LONG[100:5000], b"", b"end"]
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME"):
        told = [(compute_checksum(part, algorithm, encode_base64=False), len(part)) for part in parts]
        assert joined(algorithm, told) == compute_checksum(b"".join(parts), algorithm, encode_base64=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(content=st.lists(st.binary(max_size=50), max_size=5))
@settings(max_examples=10)
def test_a_checksum_does_not_depend_on_how_the_bytes_come(algorithm: str, content: list[bytes]) -> None:
    checksum = new_checksum(algorithm)
    for piece in content:
        checksum.update(piece)
    assert checksum.digest() == compute_checksum(memoryview(b"".join(content)), algorithm, encode_base64=False)
    assert decoded(algorithm, encoded(checksum.digest())) == checksum.digest()


def test_what_a_request_claims_is_read_from_its_headers() -> None:
    assert claimed({"HTTP_X_AMZ_CHECKSUM_TYPE": "COMPOSITE", "HTTP_X_AMZ_CHECKSUM_ALGORITHM": "CRC32"}) is None
    assert claimed({"HTTP_X_AMZ_CHECKSUM_CRC32": "AAAAAA=="}) == ("CRC32", bytes(4))


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_AMZ_CHECKSUM_CRC32": "no base64!"},
        {"HTTP_X_AMZ_CHECKSUM_CRC32": base64.b64encode(bytes(5)).decode()},
        {"HTTP_X_AMZ_CHECKSUM_XXHASH64": "AAAA"},
        {"HTTP_X_AMZ_CHECKSUM_CRC32": "AAAAAA==", "HTTP_X_AMZ_CHECKSUM_CRC32C": "AAAAAA=="},
    ],
)
def test_what_cannot_be_a_checksum_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(RefusedRequestError):
        claimed(headers)


def test_each_algorithm_has_its_kinds() -> None:
    assert kind_of("CRC64NVME", None) == "FULL_OBJECT"
    assert kind_of("SHA256", None) == kind_of("CRC32", "COMPOSITE") == "COMPOSITE"
    assert kind_of("CRC32", "FULL_OBJECT") == "FULL_OBJECT"
    for algorithm, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE"), ("CRC32", "ELSE")):
        with pytest.raises(RefusedRequestError):
            kind_of(algorithm, kind)
