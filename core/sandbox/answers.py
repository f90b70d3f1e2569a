"""HTTP answers, and errors in the wire format of each AWS protocol, so that a client shows code and message.

Formats: the AWS JSON 1.1, REST-JSON, Query, EC2 Query, REST-XML and RPC v2 CBOR protocols (smithy.io, "AWS protocols").
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4
from xml.sax.saxutils import escape

StartResponse = Callable[[str, list[tuple[str, str]]], object]

_XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, start_response: StartResponse) -> list[bytes]:
        """Return this answer the way WSGI (PEP 3333) wants it."""
        headers = {"Content-Length": str(len(self.body)), "x-amzn-RequestId": str(uuid4()), **self.headers}
        start_response(f"{self.status} {HTTPStatus(self.status).phrase}", list(headers.items()))
        return [self.body]


def answer_after(
    app: Callable[[dict[str, Any], Any], Iterable[bytes]],
    environ: dict[str, Any],
    start_response: Any,
    do: Callable[[str], None],
) -> Iterable[bytes]:
    """Let a WSGI application answer, and call `do` with the status before any of the answer goes out."""
    said: list[tuple[str, Any]] = []
    body = app(environ, lambda status, headers, _error=None: said.append((status, headers)))
    do(said[-1][0])
    start_response(*said[-1])
    return body


def json_answer(payload: Mapping[str, Any], *, status: int = 200, content_type: str = "application/json") -> Answer:
    """Return `payload` as JSON; moments become seconds since 1970, as AWS JSON has them."""
    body = json.dumps(payload, default=_moment, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": content_type})


def json_error(code: str, message: str, *, status: int = 400) -> Answer:
    """Return an error as the JSON protocols have it."""
    made = json_answer({"__type": code, "message": message}, status=status, content_type="application/x-amz-json-1.1")
    return Answer(made.status, made.body, {**made.headers, "x-amzn-ErrorType": code})


def error_for(environ: Mapping[str, Any], service: str, code: str, message: str, *, status: int = 400) -> Answer:
    """Return an error in the format that a client of `service` reads, told from how it asked."""
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        body = b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))
        return Answer(status, body, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"})
    sender = "Sender" if status < 500 else "Receiver"
    texts = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    request = f"<RequestId>{uuid4()}</RequestId>"
    if service == "s3":
        return _xml(f"<Error>{texts}{request}</Error>", status)
    if service == "ec2":
        return _xml(f"<Response><Errors><Error>{texts}</Error></Errors>{request}</Response>", status)
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    if form or service in {"iam", "sts", "route53", "cloudfront"}:
        return _xml(f"<ErrorResponse><Error><Type>{sender}</Type>{texts}</Error>{request}</ErrorResponse>", status)
    return json_error(code, message, status=status)


def _xml(text: str, status: int) -> Answer:
    return Answer(status, (_XML + text).encode(), {"Content-Type": "text/xml"})


def _cbor_text(text: str) -> bytes:
    """A text string in CBOR (RFC 8949, major type 3)."""
    data = text.encode()
    if len(data) < 24:
        return bytes([0x60 + len(data)]) + data
    return b"\x79" + len(data).to_bytes(2, "big") + data


def _moment(value: object) -> float:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
