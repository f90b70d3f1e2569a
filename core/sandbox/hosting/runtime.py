"""SageMaker Runtime: InvokeEndpoint and InvokeEndpointWithResponseStream, passed on to the containers of an endpoint.

Limits are those of real-time endpoints: 25 MiB in and out, 60 seconds for a whole answer, 8 minutes for a streamed one
(https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html).
"""

import json
import logging
import random
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from core.sandbox.hosting import event_stream, wording
from core.sandbox.hosting.container_call import CallBrokenError, CallTimedOutError, ContainerCall
from core.sandbox.hosting.metrics import Invocation, InvocationMetrics
from core.sandbox.hosting.records import EndpointRecord, HostingState, VariantRecord
from core.sandbox.hosting.supervisor import Supervisor

logger = logging.getLogger(__name__)

StartResponse = Callable[[str, list[tuple[str, str]]], object]

_PATH: Final = re.compile(r"/endpoints/([^/]+)/(invocations|invocations-response-stream)")
_PAYLOAD_LIMIT: Final = 25 * 1024**2
_DRAIN_LIMIT: Final = 256 * 1024**2
"""What is read of a body that is too large, so that the client hears why, and not of a broken connection."""
_CUSTOM_ATTRIBUTES_LIMIT: Final = 1024
_SERVING: Final = ("InService", "Updating", "SystemUpdating", "RollingBack")
_HEADER: Final = "X-Amzn-SageMaker-"
_PASSED_ON: Final = ("Custom-Attributes", "Inference-Id", "Session-Id", "Prefix-Aware-Id")
_FLUSH_SECONDS: Final = 3.0


class _RefusedError(Exception):
    """An error of the API itself: its HTTP status, its code, and its message."""

    def __init__(self, status: int, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.members = {"Message": message, **members}


@dataclass(slots=True)
class _Request:
    """One invocation on its way."""

    environ: Mapping[str, Any]
    region: str
    endpoint: str
    streamed: bool
    begun: float = field(default_factory=time.monotonic)
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    variant: str = ""
    model_begun: float = 0.0

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        key = name.upper().replace("-", "_")
        value = self.environ.get(key if key == "CONTENT_TYPE" else f"HTTP_{key}")
        return str(value) if value else None


class _Stream:
    """A streamed answer as WSGI takes it; `close` gives back what it holds, begun or not."""

    def __init__(self, parts: Generator[bytes, None, None], held: ExitStack) -> None:
        self._parts = parts
        self._held = held

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        with self._held:
            self._parts.close()


class Runtime:
    """Answers the runtime API of one account. `whole_seconds` and `stream_seconds` are the limits for an answer."""

    def __init__(
        self,
        state: HostingState,
        supervisor: Supervisor,
        *,
        account_id: str = "123456789012",
        whole_seconds: float = 60.0,
        stream_seconds: float = 480.0,
    ) -> None:
        self._state = state
        self._supervisor = supervisor
        self._account_id = account_id
        self._whole_seconds = whole_seconds
        self._stream_seconds = stream_seconds
        self._metrics = InvocationMetrics(lambda region: supervisor.clients(region).get("cloudwatch"))

    def close(self) -> None:
        """Send the numbers that wait. Call it before the supervisor's `close`, while the sandbox's API answers."""
        self._metrics.close(_FLUSH_SECONDS)

    def handle(self, environ: Mapping[str, Any], start_response: StartResponse, region: str) -> Iterable[bytes]:
        """Answer a WSGI request to `/endpoints/NAME/invocations` or `/endpoints/NAME/invocations-response-stream`."""
        path = _PATH.fullmatch(str(environ.get("PATH_INFO", "")))
        request = _Request(
            environ,
            region,
            unquote(path[1]) if path else "",
            streamed=bool(path and path[2] != "invocations"),
        )
        with ExitStack() as stack:
            try:
                _check_operation(known=path is not None and environ.get("REQUEST_METHOD") == "POST")
                return self._invoke(request, start_response, stack)
            except _RefusedError as error:
                return _send_error(request, error, start_response)

    def _invoke(self, request: _Request, start_response: StartResponse, stack: ExitStack) -> Iterable[bytes]:
        body = _read_body(request.environ)
        _check_headers(request)
        endpoint, variant = self._route(request)
        request.variant = variant.name
        container = stack.enter_context(self._supervisor.serving(endpoint, variant.name))
        if container is None:
            raise _RefusedError(503, "ServiceUnavailable", wording.NO_INSTANCE)
        request.model_begun = time.monotonic()
        call = ContainerCall(container.port, self._stream_seconds if request.streamed else self._whole_seconds)
        stack.callback(call.close)
        try:
            call.send(body, _container_headers(request))
            if request.streamed and 200 <= call.status < 300:
                start_response("200 OK", _answer_headers(request, call))
                return _Stream(self._parts(request, call), stack.pop_all())
            answer = call.read_whole(_PAYLOAD_LIMIT)
        except ConnectionRefusedError:
            self._count(request, 0)
            raise _RefusedError(503, "ServiceUnavailable", wording.NO_INSTANCE) from None
        except CallTimedOutError:
            self._count(request, 0)
            raise self._model_error(request, 0, wording.TIMED_OUT) from None
        except CallBrokenError:
            self._count(request, 0)
            raise self._model_error(request, call.status, None) from None
        self._count(request, call.status)
        if not 200 <= call.status < 300:
            raise self._model_error(request, call.status, answer.decode("utf-8", "replace"))
        start_response("200 OK", [*_answer_headers(request, call), ("Content-Length", str(len(answer)))])
        return [answer]

    def _parts(self, request: _Request, call: ContainerCall) -> Generator[bytes, None, None]:
        """Yield the container's answer as event-stream frames, piece by piece as it comes."""
        status = call.status
        try:
            while piece := call.read_piece():
                yield event_stream.payload_part(piece)
        except CallTimedOutError:
            status = 0
            yield event_stream.stream_error("ModelInvocationTimeExceeded", wording.TIMED_OUT)
        except CallBrokenError:
            status = 0
            broken = "The connection to the container was reset or closed before its answer was complete."
            yield event_stream.stream_error("StreamBroken", broken)
        finally:
            self._count(request, status)

    def _route(self, request: _Request) -> tuple[EndpointRecord, VariantRecord]:
        """Return the endpoint, and the variant that was asked for or that the weights give."""
        target = request.header(f"{_HEADER}Target-Variant")
        with self._state.lock:
            endpoint = self._state.region(request.region).endpoints.get(request.endpoint)
            if endpoint is None or endpoint.status not in _SERVING or not endpoint.variants:
                message = wording.endpoint_not_found(request.endpoint, self._account_id)
                raise _RefusedError(400, "ValidationError", message)
            variants = list(endpoint.variants)
            if target is not None:
                variants = [variant for variant in variants if variant.name == target]
                if not variants:
                    message = f"Variant {target} not found for Request: {request.request_id}"
                    raise _RefusedError(400, "ValidationError", message)
            weights = [variant.current_weight for variant in variants]
        chosen = random.choices(variants, weights if sum(weights) > 0 else None)  # noqa: S311 - shares traffic
        return endpoint, chosen[0]

    def _model_error(self, request: _Request, status: int, message: str | None) -> _RefusedError:
        group = wording.log_group(request.endpoint)
        return _RefusedError(
            424,
            "ModelError",
            wording.model_error(
                status, message, endpoint=request.endpoint, region=request.region, account_id=self._account_id
            ),
            ErrorCode="CLIENT_ERROR_FROM_MODEL" if 400 <= status < 500 else "INTERNAL_FAILURE_FROM_MODEL",
            OriginalStatusCode=status,
            OriginalMessage=message or "",
            LogStreamArn=f"arn:aws:logs:{request.region}:{self._account_id}:log-group:{group}",
        )

    def _count(self, request: _Request, status: int) -> None:
        end = time.monotonic()
        self._metrics.record(
            Invocation(
                request.region,
                request.endpoint,
                request.variant,
                status,
                model_seconds=end - request.model_begun,
                overhead_seconds=request.model_begun - request.begun,
            )
        )


def _send_error(request: _Request, error: _RefusedError, start_response: StartResponse) -> list[bytes]:
    body = json.dumps(error.members).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("x-amzn-ErrorType", error.code),
        ("x-amzn-RequestId", request.request_id),
    ]
    start_response(f"{error.status} {HTTPStatus(error.status).phrase}", headers)
    return [body]


def _check_operation(*, known: bool) -> None:
    if not known:
        raise _RefusedError(404, "UnknownOperationException", "There is no such operation.")


def _read_body(environ: Mapping[str, Any]) -> bytes:
    """Return the request's body.

    Raises:
        _RefusedError: it is larger than an invocation may be.
    """
    stream = environ["wsgi.input"]
    length = int(environ.get("CONTENT_LENGTH") or -1)
    if length < 0 and not environ.get("wsgi.input_terminated"):
        return b""
    pieces: list[bytes] = []
    total = 0
    while length < 0 or total < length:
        piece = stream.read(1024**2 if length < 0 else min(1024**2, length - total))
        if not piece or total > _DRAIN_LIMIT:
            break
        total += len(piece)
        if total <= _PAYLOAD_LIMIT:
            pieces.append(piece)
    if total > _PAYLOAD_LIMIT:
        raise _RefusedError(413, "ValidationError", f"HTTP content length exceeded {_PAYLOAD_LIMIT} bytes.")
    return b"".join(pieces)


def _check_headers(request: _Request) -> None:
    """Refuse headers that AWS refuses, or that ask for what a single-model endpoint has not."""
    attributes = request.header(f"{_HEADER}Custom-Attributes") or ""
    if len(attributes) > _CUSTOM_ATTRIBUTES_LIMIT or not (attributes.isascii() and attributes.isprintable()):
        raise _RefusedError(
            400,
            "ValidationError",
            "1 validation error detected: Value at 'customAttributes' failed to satisfy constraint: Member must have "
            f"length less than or equal to {_CUSTOM_ATTRIBUTES_LIMIT} and consist of printable ASCII characters",
        )
    for name in ("Target-Model", "Target-Container-Hostname", "Inference-Component"):
        if request.header(f"{_HEADER}{name}"):
            message = f"The header {_HEADER}{name} is not supported for endpoint {request.endpoint}."
            raise _RefusedError(400, "ValidationError", message)


def _container_headers(request: _Request) -> dict[str, str]:
    """Return the headers that the container is given."""
    accept = request.header(f"{_HEADER}Accept" if request.streamed else "Accept")
    found = {
        "Content-Type": request.header("Content-Type"),
        "Accept": accept,
        **{f"{_HEADER}{name}": request.header(f"{_HEADER}{name}") for name in _PASSED_ON},
    }
    return {name: value for name, value in found.items() if value is not None}


def _answer_headers(request: _Request, call: ContainerCall) -> list[tuple[str, str]]:
    """Return the headers of the API's answer, from those of the container's."""
    content_type = _one_line(call.header("Content-Type") or "application/octet-stream")
    headers = [
        ("x-amzn-RequestId", request.request_id),
        ("x-Amzn-Invoked-Production-Variant", request.variant),
    ]
    if request.streamed:
        headers += [("Content-Type", event_stream.CONTENT_TYPE), (f"{_HEADER}Content-Type", content_type)]
    else:
        headers += [("Content-Type", content_type)]
    if attributes := call.header(f"{_HEADER}Custom-Attributes"):
        headers += [(f"{_HEADER}Custom-Attributes", _one_line(attributes)[:_CUSTOM_ATTRIBUTES_LIMIT])]
    return headers


def _one_line(value: str) -> str:
    return "".join(character for character in value if character.isprintable() and character.isascii())
