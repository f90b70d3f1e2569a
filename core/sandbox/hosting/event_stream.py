"""Frames of `application/vnd.amazon.eventstream`, the encoding of InvokeEndpointWithResponseStream's answers.

A message: total length, headers length, CRC-32 of these, headers, payload, CRC-32 of all before. A header: name length,
name, type 7 (string), value length, value. Numbers are big-endian. ("Amazon Event Stream specification", smithy.io.)
"""

import binascii
import json
import struct
from collections.abc import Mapping
from typing import Final, Literal

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

_STRING: Final = 7

StreamErrorCode = Literal["ModelInvocationTimeExceeded", "StreamBroken"]


def message(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """Return one encoded message."""
    encoded = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    body = prelude + struct.pack(">I", binascii.crc32(prelude)) + encoded + payload
    return body + struct.pack(">I", binascii.crc32(body))


def payload_part(data: bytes) -> bytes:
    """Return a `PayloadPart` event: a piece of the container's answer."""
    return message(
        {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}, data
    )


def stream_error(code: StreamErrorCode, text: str) -> bytes:
    """Return a `ModelStreamError`, with which a stream ends that the container did not finish."""
    return message(
        {":message-type": "exception", ":exception-type": "ModelStreamError", ":content-type": "application/json"},
        json.dumps({"Message": text, "ErrorCode": code}).encode(),
    )


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">BH", _STRING, len(value)) + value
