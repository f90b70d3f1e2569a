"""botocore's errors turned into the program's own: what was being done, what AWS said, what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.errors import (
    AccessError,
    NotFoundError,
    RefusedError,
    SagewizardError,
    SignInExpiredError,
    UnreachableError,
    UsageError,
)
from core.external_text import clean_line

CHECK_NETWORK = "Check the network and the region, then try again."
"""What helps where AWS does not answer."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_BAD_KEYS = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AuthFailure",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
_BUSY = {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
_ABSENT = {"NoSuchEntity", "NoSuchBucket", "NoSuchKey", "ResourceNotFoundException", "404", "NotFound"}


def error_code(error: BaseException) -> str:
    """Return the code of a botocore `ClientError` (`ValidationException`, …), or an empty string for anything else."""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def error_message(error: BaseException) -> str:
    """Return what AWS said in a botocore `ClientError`, safe to show; otherwise the error's own text."""
    response: Any = getattr(error, "response", None)
    text = response.get("Error", {}).get("Message") if isinstance(response, dict) else None
    return clean_line(str(text or error))


def error_status(error: BaseException) -> int | None:
    """Return the HTTP status of a botocore `ClientError`, `None` for anything else."""
    response: Any = getattr(error, "response", None)
    found = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
    return found if isinstance(found, int) else None


def is_final_no(error: BaseException) -> bool:
    """Return whether AWS answered no to a request that was sent once, so that nothing came of it.

    botocore repeats a request that got no answer. The no to a repetition ("the name is taken") may be the doing of the
    attempt before, and a server's own trouble (5xx) leaves open how far it came.
    """
    response: Any = getattr(error, "response", None)
    status = error_status(error)
    return status is not None and 400 <= status < 500 and not response["ResponseMetadata"].get("RetryAttempts")


def translate(error: BaseException, doing: str) -> SagewizardError:
    """Return the program's own error for one that botocore raised while `doing` (“create the role”)."""
    from botocore import exceptions as raised
    from botocore.parsers import ResponseParserError

    if isinstance(error, raised.ClientError):
        return _translate_answer(error, doing)
    if isinstance(error, raised.ProfileNotFound):
        return NotFoundError(
            f"There is no AWS profile named “{clean_line(error.kwargs['profile'])}” on this machine.",
            fix="Run `aws configure list-profiles`, or create it with `aws configure --profile NAME`.",
        )
    if isinstance(error, raised.ConfigParseError | raised.ConfigNotFound):
        return UsageError(
            f"Could not {doing}: {clean_line(str(error)).rstrip('.')}.",
            fix="Correct that file, or run `aws configure`.",
        )
    if isinstance(error, raised.NoCredentialsError | raised.PartialCredentialsError | raised.CredentialRetrievalError):
        return AccessError(
            f"Could not {doing}: no usable AWS credentials were found.",
            fix="Run `aws configure` or `aws sso login`, or use `--sandbox`.",
        )
    if isinstance(error, raised.SSOTokenLoadError | raised.UnauthorizedSSOTokenError | raised.TokenRetrievalError):
        return SignInExpiredError(
            f"Could not {doing}: the AWS sign-in has expired.", fix="Run `aws sso login` and try again."
        )
    if isinstance(error, raised.HTTPClientError | raised.ConnectionError | raised.EndpointConnectionError):
        return UnreachableError(
            f"Could not {doing}: AWS did not answer ({clean_line(str(error))}).",
            fix=CHECK_NETWORK,
        )
    if isinstance(error, ResponseParserError):  # a proxy's page, say; not a BotoCoreError, oddly
        return UnreachableError(
            f"Could not {doing}: what answered does not speak AWS's protocol.",
            fix="Check whether a proxy or the endpoint URL is in the way, then try again.",
        )
    if isinstance(error, raised.ParamValidationError):
        return RefusedError(f"Could not {doing}: {clean_line(str(error))}", fix="Correct the value named.")
    return SagewizardError(f"Could not {doing}: {clean_line(str(error))}")


def _translate_answer(error: BaseException, doing: str) -> SagewizardError:
    code, said = error_code(error), error_message(error)
    if code in _EXPIRED:
        return SignInExpiredError(
            f"Could not {doing}: the AWS credentials have expired.", fix="Sign in again (`aws sso login`), then repeat."
        )
    if code in _BAD_KEYS:
        return AccessError(
            f"Could not {doing}: AWS does not accept these credentials ({said}).",
            fix="Check the profile, or run `aws configure`.",
        )
    if code in _DENIED:
        return AccessError(
            f"Could not {doing}: AWS denied it ({said}).", fix="Ask whoever runs the account to allow the action named."
        )
    if code == "ResourceLimitExceeded":
        return RefusedError(
            f"Could not {doing}: {said}",
            fix="Choose another instance type, or ask for a higher quota in Service Quotas.",
        )
    if code in _ABSENT:
        return NotFoundError(f"Could not {doing}: {said}")
    if code in _BUSY or (error_status(error) or 0) >= 500:
        return UnreachableError(
            f"Could not {doing}: {said}", fix="AWS is busy or has trouble: try again in some minutes."
        )
    return SagewizardError(f"Could not {doing}: {said}")


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Within it, errors of botocore become the program's own.

    Raises:
        SagewizardError: one of its kinds, the botocore error as its cause.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error, ResponseParserError) as error:
        raise translate(error, doing) from error
