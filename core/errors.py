"""The family of errors that core raises: each says what happened and what to do about it.

Front ends show `str(error)` and `error.fix`, and exit with `error.exit_code`. What a library raised stays in
`__cause__`, for `--debug`.
"""

from typing import ClassVar


class SagewizardError(Exception):
    """Something went wrong that a person can be told about.

    `message` is one sentence with the cause; `fix` is one sentence with the next step, or empty when there is none.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class UsageError(SagewizardError):
    """What was asked for makes no sense as written: a malformed name, an unknown option value."""

    exit_code = 2


class RefusedError(SagewizardError):
    """A check said no before anything was changed: it does not fit, no quota, a name taken, unsafe weights."""

    exit_code = 3


class NotFoundError(SagewizardError):
    """A thing that was named does not exist: a model, an endpoint, a role, a folder."""


class AccessError(SagewizardError):
    """Credentials are absent, expired or not allowed to do this; or a gated model has not been granted."""


class SignInExpiredError(AccessError):
    """The credentials were good, and are not any more: signing in again helps."""


class UnreachableError(SagewizardError):
    """A service did not answer: no network, a refused connection, a time-out."""


class DeploymentFailedError(SagewizardError):
    """A run of a plan ended without an endpoint in service; `message` is the cause."""


class InvocationError(SagewizardError):
    """An endpoint answered a request with an error.

    `status` is the HTTP status that the container answered with (`None` when the request never reached it).
    """

    def __init__(self, message: str, *, fix: str = "", status: int | None = None) -> None:
        super().__init__(message, fix=fix)
        self.status = status


class CancelledByUser(SagewizardError):  # noqa: N818 - not a failure, but raised like one
    """The person asked to stop."""

    exit_code = 130

    def __init__(self, message: str = "Stopped as asked.", *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
