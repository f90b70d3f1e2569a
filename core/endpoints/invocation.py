"""Requests to an endpoint as they are: bytes to the container and back, whole or streamed, failures explained.

Limits of SageMaker: 25 MB a request, 60 s for a whole answer, 8 min for a streamed one.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from core.account import Account
from core.aws import hosting
from core.aws.failures import error_code, error_message, error_status, translate
from core.cancellation import CancelToken
from core.endpoints.answers import error_text
from core.endpoints.desk import absent
from core.endpoints.pump import pumped
from core.errors import InvocationError, NotFoundError, SagewizardError, UsageError
from core.external_text import clean_line

JSON: Final = "application/json"
_LONGEST_MESSAGE: Final = 2000


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """What the container answered: the bytes as they came, and which variant answered, in how many seconds."""

    body: bytes
    content_type: str
    variant: str | None
    custom_attributes: str | None
    seconds: float


def invoke(
    account: Account,
    name: str,
    body: bytes,
    *,
    content_type: str = JSON,
    accept: str | None = None,
    target_variant: str | None = None,
    custom_attributes: str | None = None,
    cancel: CancelToken | None = None,
) -> InvocationResult:
    """Send `body` to the endpoint and return its whole answer.

    Raises:
        UsageError: a content type, variant or attribute that no HTTP header can carry.
        InvocationError: the container answered with an error, did not answer in time, or the endpoint is not ready.
        NotFoundError: there is no such endpoint.
        CancelledByUser: stopping was asked for; the container may still work on the request.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    request = _request(name, body, content_type, accept, target_variant, custom_attributes)

    def call() -> Iterator[InvocationResult]:
        begun = time.monotonic()
        answer = account.clients.get("sagemaker-runtime").invoke_endpoint(**request)
        content = answer["Body"].read()
        yield InvocationResult(
            body=content,
            content_type=clean_line(answer.get("ContentType") or ""),
            variant=clean_line(answer.get("InvokedProductionVariant") or "") or None,
            custom_attributes=clean_line(answer.get("CustomAttributes") or "") or None,
            seconds=time.monotonic() - begun,
        )

    try:
        return next(pumped(call, cancel or CancelToken()))
    except SagewizardError:
        raise
    except Exception as error:
        raise _explained(error, account, name) from error


def invoke_stream(
    account: Account,
    name: str,
    body: bytes,
    *,
    content_type: str = JSON,
    accept: str | None = None,
    target_variant: str | None = None,
    custom_attributes: str | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[bytes]:
    """Send `body` to the endpoint and yield its answer as it comes, cut anywhere.

    Raises:
        The same as `invoke`; also after some of the answer has come.
    """
    request = _request(name, body, content_type, accept, target_variant, custom_attributes)

    def call() -> Iterator[bytes]:
        runtime = account.clients.get("sagemaker-runtime")
        stream = runtime.invoke_endpoint_with_response_stream(**request)["Body"]
        try:
            for event in stream:
                if "PayloadPart" in event:
                    yield event["PayloadPart"]["Bytes"]
        finally:
            stream.close()

    try:
        yield from pumped(call, cancel or CancelToken())
    except SagewizardError:
        raise
    except Exception as error:
        raise _explained(error, account, name) from error


def _request(
    name: str,
    body: bytes,
    content_type: str,
    accept: str | None,
    target_variant: str | None,
    custom_attributes: str | None,
) -> dict[str, Any]:
    optional = {
        "ContentType": content_type,
        "Accept": accept,
        "TargetVariant": target_variant,
        "CustomAttributes": custom_attributes,
    }
    given = {key: value for key, value in optional.items() if value is not None}
    for key, value in given.items():
        if not (value.isascii() and value.isprintable()):  # each travels as an HTTP header
            raise UsageError(f"{value!a} cannot be sent as {key}.", fix="Use printable ASCII characters only.")
    return {"EndpointName": name, "Body": body, **given}


def _explained(error: Exception, account: Account, name: str) -> Exception:
    """Return the program's own error for what an invocation raised."""
    from botocore import exceptions as raised
    from botocore.parsers import ResponseParserError

    if isinstance(error, raised.ReadTimeoutError):
        return _too_slow(name)
    if not isinstance(error, raised.ClientError):
        if isinstance(error, raised.BotoCoreError | ResponseParserError):
            return translate(error, f"reach the endpoint {name}")
        if type(error).__module__.startswith("urllib3"):  # the connection broke while the body was read
            return InvocationError(f"The connection to the endpoint {name} broke.", fix="Try again.")
        return error
    code, said = error_code(error), error_message(error)
    if code == "ModelError":
        return _container_error(error, account, name)
    if code in {"ModelStreamError", "InternalStreamFailure"}:
        return InvocationError(
            f"The container stopped in the middle of its answer: {said}",
            fix=f"Read what it said: {account.command(f'endpoints logs {name}')}.",
        )
    if code == "ModelNotReadyException":
        return InvocationError(
            f"The endpoint {name} is not ready yet: its model is still being loaded.",
            fix="Try again in a minute.",
            status=429,
        )
    if code in {"ThrottlingException", "ServiceUnavailable"}:
        return InvocationError(f"The endpoint {name} takes no more requests at the moment: {said}", fix="Try again.")
    if code in {"ValidationError", "ValidationException"}:
        if "not found" in said.lower() or "could not find" in said.lower():
            return _not_there(account, name, said)
        return InvocationError(f"SageMaker did not accept the request: {said}", fix="Correct it, then send it again.")
    if error_status(error) == 413 or code in {"413", "RequestEntityTooLarge"}:
        return InvocationError("The request is larger than SageMaker takes (25 MB).", fix="Send less.", status=413)
    return translate(error, f"ask the endpoint {name}")


def _container_error(error: Any, account: Account, name: str) -> InvocationError:
    """Return the error for one that the container answered with, in its own words."""
    status = error.response.get("OriginalStatusCode")
    said = _unwrapped(str(error.response.get("OriginalMessage") or error_message(error)))
    if "timed out" in said.lower() and "container" in said.lower():
        return _too_slow(name)
    if isinstance(status, int) and 400 <= status < 500:
        fix = "Correct the request, then send it again."
    else:
        fix = f"Read what the container said: {account.command(f'endpoints logs {name}')}."
    return InvocationError(
        f"The container answered {status or 'with an error'}: {said}",
        fix=fix,
        status=status if isinstance(status, int) and status else None,
    )


def _unwrapped(message: str) -> str:
    """Return the sentence in a container's error: the toolkits wrap it in JSON, with a code and a type."""
    try:
        found = error_text(json.loads(message))
    except (ValueError, RecursionError):
        found = None
    said = found or clean_line(message) or "nothing more"
    return said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]}…"


def _too_slow(name: str) -> InvocationError:
    return InvocationError(
        f"The endpoint {name} did not answer within 60 s, after which SageMaker ends a request.",
        fix="Ask for fewer tokens, or use a faster instance type.",
        status=504,
    )


def _not_there(account: Account, name: str, said: str) -> SagewizardError:
    """Return the error for an endpoint that invocations do not find: it is absent, or not in service."""
    try:
        endpoint = hosting.describe_endpoint(account.clients, name)
    except NotFoundError:
        return absent(account, name)
    except SagewizardError:
        return NotFoundError(
            f"The endpoint {name} cannot be reached: {said}",
            fix=f"{account.command('endpoints')} lists those that exist.",
        )
    if endpoint.status == "InService":
        return InvocationError(f"SageMaker did not accept the request: {said}", fix="Check the name of the variant.")
    reason = f": {endpoint.failure_reason}" if endpoint.failure_reason else ""
    return InvocationError(
        f"The endpoint {name} is not in service, it is {endpoint.status}{reason}",
        fix=f"{account.command(f'endpoints show {name}')} tells more.",
    )
