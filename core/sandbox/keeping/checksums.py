"""The checksums that S3 knows: worked out, and what requests claim about their bodies.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
S3's XXHASH algorithms are not in Python's library: who asks for them is told that the sandbox lacks them.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from core.sandbox.keeping.crc import CRC32, CRC32C, CRC64NVME, Crc
from core.sandbox.keeping.refusals import RefusedRequestError, bad_digest, invalid_request

COMPOSITE: Final = "COMPOSITE"
"""The kind of an object's checksum that is made of those of its parts."""
FULL_OBJECT: Final = "FULL_OBJECT"
"""The kind of an object's checksum that is that of its content."""

_CRCS: Final[Mapping[str, Crc]] = {"CRC32": CRC32, "CRC32C": CRC32C, "CRC64NVME": CRC64NVME}
_HASHES: Final = ("SHA1", "SHA256", "SHA512", "MD5")
_UNKNOWN: Final = ("XXHASH64", "XXHASH3", "XXHASH128")
ALGORITHMS: Final = (*_CRCS, *_HASHES)
"""Those that the sandbox works out, as S3 names them."""
_HEADER: Final = "HTTP_X_AMZ_CHECKSUM_"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Checksum(Protocol):
    """A checksum that is being worked out."""

    def update(self, data: bytes, /) -> None:
        """Take in the next bytes."""
        ...

    def digest(self) -> bytes:
        """Return the checksum of what was taken in."""
        ...


class _CrcOf:
    """A CRC that is being worked out."""

    def __init__(self, size: int, function: Callable[[bytes, int], int]) -> None:
        self._size = size
        self._function = function
        self._state = 0

    def update(self, data: bytes, /) -> None:
        self._state = self._function(data, self._state)

    def digest(self) -> bytes:
        return self._state.to_bytes(self._size, "big")


def new_checksum(algorithm: str) -> Checksum:
    """Return the checksum of nothing yet, of an algorithm as S3 names it.

    Raises:
        RefusedRequestError: there is no such algorithm, or the sandbox lacks it.
    """
    if algorithm in _HASHES:
        found: Checksum = hashlib.new(algorithm.lower(), usedforsecurity=False)
        return found
    if algorithm == "CRC32":
        return _CrcOf(CRC32.bytes, zlib.crc32)
    if algorithm in _CRCS:
        return _CrcOf(_CRCS[algorithm].bytes, _CRCS[algorithm].of)
    if algorithm in _UNKNOWN:
        raise RefusedRequestError("NotImplemented", f"The sandbox cannot work out {algorithm} checksums.", status=501)
    raise invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types.")


def compute_checksum(body: Any, algorithm: str, encode_base64: bool = True) -> bytes:
    """Return the checksum of bytes that are in memory. In the place of moto's function, which takes CRCs for others."""
    checksum = new_checksum(algorithm.upper())
    checksum.update(bytes(body) if algorithm.upper() in {"CRC32C", "CRC64NVME"} else body)
    found = checksum.digest()
    return base64.b64encode(found) if encode_base64 else found


def joined(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the CRC of content from the CRCs of its parts, each with the part's size in bytes."""
    crc, whole = _CRCS[algorithm], 0
    for found, size in parts:
        whole = crc.joined(whole, int.from_bytes(found, "big"), size)
    return whole.to_bytes(crc.bytes, "big")


def of_parts(algorithm: str, parts: Iterable[bytes]) -> bytes:
    """Return the checksum of the checksums of parts."""
    checksum = new_checksum(algorithm)
    for part in parts:
        checksum.update(part)
    return checksum.digest()


def kind_of(algorithm: str, asked: str | None) -> str:
    """Return the kind of checksum that an object made of parts gets, `asked` being what the request wants.

    Raises:
        RefusedRequestError: the algorithm has no such kind.
    """
    kind = asked or (FULL_OBJECT if algorithm == "CRC64NVME" else COMPOSITE)
    whole_only, parts_only = algorithm == "CRC64NVME", algorithm not in _CRCS
    if kind not in {COMPOSITE, FULL_OBJECT}:
        raise invalid_request("Value for x-amz-checksum-type header is invalid.")
    if (kind == COMPOSITE and whole_only) or (kind == FULL_OBJECT and parts_only):
        raise invalid_request(
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return kind


def encoded(checksum: bytes) -> str:
    """Return a checksum as headers and answers have it."""
    return base64.b64encode(checksum).decode()


def claimed(environ: Mapping[str, Any]) -> tuple[str, bytes] | None:
    """Return the algorithm and the checksum that a request's headers have for its content; `None` when none.

    Raises:
        RefusedRequestError: there are several, or one that cannot be.
    """
    found = [(name, str(environ[key])) for name in (*ALGORITHMS, *_UNKNOWN) if (key := _HEADER + name) in environ]
    if not found:
        return None
    if len(found) > 1:
        raise invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    (algorithm, text) = found[0]
    return algorithm, decoded(algorithm, text)


def decoded(algorithm: str, text: str) -> bytes:
    """Return a checksum that a request claims.

    Raises:
        RefusedRequestError: it cannot be one of that algorithm, or the sandbox lacks the algorithm.
    """
    length = len(new_checksum(algorithm).digest())
    if (checksum := _bytes_of(text)) is None or len(checksum) != length:
        raise invalid_request(f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")
    return checksum


def check_md5(environ: Mapping[str, Any], md5: bytes) -> None:
    """Return when a request's Content-MD5, if it has one, is the MD5 of its body as it came.

    Raises:
        RefusedRequestError: it is not.
    """
    if (text := environ.get("HTTP_CONTENT_MD5")) is None:
        return
    if (wanted := _bytes_of(str(text))) is None or len(wanted) != len(md5):
        raise RefusedRequestError("InvalidDigest", "The Content-MD5 you specified was invalid.")
    if wanted != md5:
        raise bad_digest("Content-MD5")


def signed_sha256(environ: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 (hex) that a request was signed with for its body; `None` when the body was not signed."""
    text = str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""))
    return text if _SHA256.fullmatch(text) else None


def _bytes_of(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
