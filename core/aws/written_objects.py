"""What S3 says of objects and parts that were written to it, and the checksums that it is told and tells.

An object made of parts has a checksum of checksums, which S3 writes with the number of parts behind it:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """An object as it is in S3: its key, its size in bytes, its etag (without quotes)."""

    key: str
    bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of an upload that S3 has; `sha256` (hex) is `None` where S3 does not tell it."""

    number: int
    bytes: int
    etag: str
    sha256: str | None


def sha256_of(pieces: Sequence[bytes | memoryview]) -> bytes:
    """Return the SHA-256 of the pieces, one after another."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def as_checksum(digest: bytes) -> str:
    """Return a digest as S3 wants it written: in Base64."""
    return base64.b64encode(digest).decode()


def hex_of(checksum: str | None) -> str | None:
    """Return a SHA-256 as S3 tells it in hex; `None` for none, and for a checksum of checksums."""
    try:
        digest = base64.b64decode(checksum or "", validate=True)
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == hashlib.sha256().digest_size else None


def etag_of(answer: Mapping[str, Any]) -> str:
    """Return the etag that an answer tells, without quotes; an empty text when it tells none."""
    return str(answer.get("ETag", "")).strip('"')


def listed_part(part: StoredPart) -> dict[str, Any]:
    """Return a part as CompleteMultipartUpload wants it named."""
    checksum = {"ChecksumSHA256": as_checksum(bytes.fromhex(part.sha256))} if part.sha256 else {}
    return {"PartNumber": part.number, "ETag": f'"{part.etag}"', **checksum}


def checksum_of_parts(parts: Sequence[StoredPart]) -> str | None:
    """Return the checksum that S3 tells of an object made of parts; `None` where that of one of them is not known."""
    digests = [bytes.fromhex(part.sha256) for part in parts if part.sha256]
    if len(digests) != len(parts):
        return None
    return f"{as_checksum(sha256_of(digests))}-{len(parts)}"


def etag_of_parts(parts: Sequence[StoredPart]) -> str | None:
    """Return the etag of an object made of parts, as S3 makes it of MD5s; `None` where an etag cannot be one."""
    try:
        md5s = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}"
