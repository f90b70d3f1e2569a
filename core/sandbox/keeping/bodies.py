"""Bodies of objects and parts as they come in: written to a file in one pass, and checked as S3 checks them.

A body may be cut into chunks with a checksum behind them ("aws-chunked"):
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
Signatures of chunks are not checked, as those of requests are not.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from core.sandbox.keeping.checksums import check_md5, claimed, decoded, new_checksum, signed_sha256
from core.sandbox.keeping.refusals import RefusedRequestError, bad_digest, incomplete_body, invalid_request

LARGEST: Final = 5 * 2**30
"""Bytes of an object or a part that is sent in one request.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
_CHUNK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 14
_TRAILER: Final = "x-amz-checksum-"
_STREAMING: Final = "STREAMING-"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Bytes that are in a file of ours, and what is known of them: the MD5 (hex), and checksums by algorithm."""

    path: Path
    size: int
    md5: str | None = None
    checksums: Mapping[str, bytes] = field(default_factory=dict)


def write(pieces: Iterable[bytes], path: Path, algorithms: Iterable[str]) -> KeptFile:
    """Write pieces to a new file and work out their MD5 and their checksums meanwhile."""
    md5 = hashlib.md5(usedforsecurity=False)
    checksums = {algorithm: new_checksum(algorithm) for algorithm in algorithms}
    size = 0
    with path.open("xb", buffering=0) as file:
        for piece in pieces:
            md5.update(piece)
            for checksum in checksums.values():
                checksum.update(piece)
            size += len(piece)
            if size > LARGEST:
                raise too_large()
            left = memoryview(piece)
            while left:
                left = left[file.write(left) :]
    return KeptFile(path, size, md5.hexdigest(), {name: checksum.digest() for name, checksum in checksums.items()})


def receive(environ: Mapping[str, Any], path: Path, expected: str | None, *, demanded: bool = False) -> KeptFile:
    """Write the body of a request to a new file, once it is what the request says of it.

    `expected` is the algorithm of the checksum that it must have, if any: worked out here where the request claims
    none, unless it is `demanded`. The file has that checksum, or the one that the request claims.

    Raises:
        RefusedRequestError: the body is not what the request says, or has another checksum; then there is no file.
    """
    body = _Body(environ)
    claim = claimed(environ)
    algorithm = claim[0] if claim else body.trailing
    if algorithm is None and "HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM" in environ:
        raise invalid_request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found."
        )
    if expected and algorithm != expected and (algorithm or demanded):
        raise invalid_request(
            f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()}, "
            f"actual checksum Type: {(algorithm or 'null').lower()}"
        )
    algorithm = algorithm or expected
    signed = signed_sha256(environ)
    try:
        found = write(body.pieces(), path, {*([algorithm] if algorithm else []), *(["SHA256"] if signed else [])})
        _compare(environ, found, claim or body.claim(), signed)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return replace(found, checksums={algorithm: found.checksums[algorithm]} if algorithm else {})


def check_size(environ: Mapping[str, Any]) -> None:
    """Return when a request does not say that its body is larger than S3 takes it.

    Raises:
        RefusedRequestError: it does.
    """
    for name in ("CONTENT_LENGTH", "HTTP_X_AMZ_DECODED_CONTENT_LENGTH"):
        if str(environ.get(name, "")).isdecimal() and int(environ[name]) > LARGEST + _allowance(environ):
            raise too_large()


def too_large() -> RefusedRequestError:
    """Return the refusal of a body that is larger than S3 takes it."""
    return RefusedRequestError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")


def _compare(environ: Mapping[str, Any], found: KeptFile, claim: tuple[str, bytes] | None, signed: str | None) -> None:
    if signed and found.checksums["SHA256"].hex() != signed:
        raise RefusedRequestError(
            "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."
        )
    check_md5(environ, bytes.fromhex(found.md5 or ""))
    if claim and found.checksums[claim[0]] != claim[1]:
        raise bad_digest(claim[0])


def _allowance(environ: Mapping[str, Any]) -> int:
    """Return how much longer than its content a body is at most, for what marks its chunks."""
    return LARGEST // 16 if _in_chunks(environ) else 0


def _in_chunks(environ: Mapping[str, Any]) -> bool:
    return str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")).startswith(_STREAMING)


class _Body:
    """The content of a request's body, and the checksum that comes behind it."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ
        self._trailers: dict[str, str] = {}
        name = str(environ.get("HTTP_X_AMZ_TRAILER", "")).strip().lower()
        self.trailing = name.removeprefix(_TRAILER).upper() if name.startswith(_TRAILER) else None
        """The algorithm of the checksum that is to come behind the content."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the content.

        Raises:
            RefusedRequestError: it ends too early, or is not written as it is said to be.
        """
        from werkzeug.exceptions import ClientDisconnected
        from werkzeug.wsgi import get_input_stream

        chunked = _in_chunks(self._environ)
        expected = str(self._environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH" if chunked else "CONTENT_LENGTH", ""))
        raw: Any = get_input_stream(dict(self._environ))
        stream = io.BufferedReader(raw, _CHUNK)
        size = 0
        try:
            for piece in self._unchunked(stream) if chunked else iter(lambda: stream.read(_CHUNK), b""):
                size += len(piece)
                yield piece
        except (ClientDisconnected, OSError) as error:
            raise incomplete_body() from error
        if expected.isdecimal() and int(expected) != size:
            raise incomplete_body()

    def claim(self) -> tuple[str, bytes] | None:
        """Return the algorithm and the checksum that came behind the content; `None` when none was to come.

        Raises:
            RefusedRequestError: it did not come.
        """
        if self.trailing is None:
            return None
        text = self._trailers.get(_TRAILER + self.trailing.lower())
        if text is None:
            raise RefusedRequestError(
                "MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our published "
                "schema.",
            )
        return self.trailing, decoded(self.trailing, text)

    def _unchunked(self, stream: io.BufferedReader) -> Iterator[bytes]:
        while left := _size_of_chunk(stream.readline(_LONGEST_LINE)):
            while left:
                piece = stream.read(min(left, _CHUNK))
                if not piece:
                    raise incomplete_body()
                left -= len(piece)
                yield piece
            if stream.read(2) != b"\r\n":
                raise incomplete_body()
        while line := stream.readline(_LONGEST_LINE).strip():
            name, _, value = line.decode("latin-1").partition(":")
            self._trailers[name.strip().lower()] = value.strip()


def _size_of_chunk(line: bytes) -> int:
    """Return the number of bytes that a chunk's first line tells; its signature may follow it."""
    try:
        return int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise incomplete_body() from None
