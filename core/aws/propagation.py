"""Waiting until AWS knows everywhere what was just made.

A role that IAM has created is unknown to SageMaker for some seconds, and a model or config may be unknown to the
request that follows. Nothing can be asked beforehand (the `role_exists` waiter asks IAM itself): the request is
repeated while its answer is one of the known ones. The same answers also tell of real mistakes, so there is a deadline.
"""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from core.aws.failures import error_code, error_message
from core.cancellation import CancelToken

ROLE_SECONDS: Final = 60.0
"""How long a new role may take to be known."""
RECORD_SECONDS: Final = 20.0
"""How long a model or config just created may take to be found: SageMaker's reads are eventually consistent."""

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 10.0
_NEW_ROLE: Final = ("could not assume role", "could not access model data", "cannot assume role")
_NEW_RECORD: Final = ("could not find model ", "could not find endpoint configuration")

_T = TypeVar("_T")


def is_new_role_failure(error: BaseException) -> bool:
    """Return whether SageMaker's answer is the one it gives while a role is not yet known to it."""
    return _is_validation(error, _NEW_ROLE)


def is_new_record_failure(error: BaseException) -> bool:
    """Return whether SageMaker's answer is the one it gives while a model or config is not yet known to it."""
    return _is_validation(error, _NEW_RECORD)


def retried(
    call: Callable[[], _T],
    *,
    while_failing: Callable[[BaseException], bool],
    seconds: float,
    cancel: CancelToken,
    on_wait: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> _T:
    """Return what `call` returns, called again for up to `seconds` while it fails as `while_failing` says.

    Pauses grow from one second to ten, each shortened by up to a half by `jitter` (0 to 1). `on_wait` is told what AWS
    said before each pause.

    Raises:
        CancelledByUser: stopped during a pause.
        Exception: the call's own, when it is another one or the time is up.
    """
    from botocore.exceptions import ClientError

    deadline = clock() + seconds
    pause = _FIRST_PAUSE
    while True:
        cancel.check()
        try:
            return call()
        except ClientError as error:
            left = deadline - clock()
            if not while_failing(error) or left <= 0:
                raise
            on_wait(error_message(error))
        cancel.wait(min(pause * (1 - jitter() / 2), left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _is_validation(error: BaseException, phrases: tuple[str, ...]) -> bool:
    said = error_message(error).lower()
    return error_code(error) == "ValidationException" and any(phrase in said for phrase in phrases)
