"""An AWS service with the JSON 1.1 protocol: finds the operation, checks the request, encodes the answer.

The operation is named by the header `X-Amz-Target` ("AWS JSON 1.1 protocol", smithy.io).
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from core.sandbox.answers import json_answer, json_error
from core.sandbox.hosting.errors import ApiError
from core.sandbox.hosting.validation import validate

Operation = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Answers a checked request made in a region."""

_LARGEST_REQUEST: Final = 1 << 20  # bytes; AWS's own limit for these services is of this order


class JsonService:
    """A WSGI application for the operations of one service. `model` is botocore's name of the service."""

    def __init__(self, name: str, model: str, operations: Mapping[str, Operation]) -> None:
        self._name = name
        self._model_name = model
        self._operations = operations
        self._model: Any = None
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any, region: str) -> Iterable[bytes]:
        """Answer one request."""
        try:
            answer = json_answer(self._answer(environ, region), content_type="application/x-amz-json-1.1")
        except ApiError as error:
            answer = json_error(error.code, error.message, status=error.status)
        return answer.send(start_response)

    def warm_up(self) -> None:
        """Load the service model, which is large."""
        self._load()

    def _answer(self, environ: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        name = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]
        operation = self._operations.get(name)
        if operation is None:
            known = ", ".join(sorted(self._operations))
            raise ApiError(
                "UnknownOperationException",
                f"The sandbox's {self._name} has no operation {name or '(none)'}; it has {known}.",
            )
        shape = self._load().operation_model(name).input_shape
        return operation(region, validate(shape, _body(environ)))

    def _load(self) -> Any:
        with self._lock:
            if self._model is None:
                from botocore.session import Session

                self._model = Session().get_service_model(self._model_name)
            return self._model


def _body(environ: Mapping[str, Any]) -> dict[str, Any]:
    chunked = bool(environ.get("wsgi.input_terminated"))
    try:
        length = int(environ.get("CONTENT_LENGTH") or (_LARGEST_REQUEST + 1 if chunked else 0))
        text = environ["wsgi.input"].read(min(max(length, 0), _LARGEST_REQUEST + 1))
        if len(text) > _LARGEST_REQUEST:
            raise ApiError("RequestEntityTooLargeException", f"The request has more than {_LARGEST_REQUEST} bytes.")
        found = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise ApiError("SerializationException", "The request is not JSON.") from error
    if not isinstance(found, dict):
        raise ApiError("SerializationException", "The request is not a JSON object.")
    return found
