"""Deleting an endpoint to the end: SageMaker refuses while it changes one, and takes a while once it has begun."""

import time
from collections.abc import Callable
from typing import Final

from core.aws import hosting
from core.aws.clients import Clients
from core.cancellation import CancelToken
from core.errors import NotFoundError, SagewizardError
from core.quantities import format_duration

_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_GROWTH: Final = 1.5
_LONGEST_WAIT_SECONDS: Final = 5400
"""Creating may use up both container timeouts (an hour each at most) before it can be deleted; most take minutes."""


def delete_endpoint_and_wait(
    clients: Clients, name: str, *, cancel: CancelToken, told: Callable[[str], None] = lambda _: None
) -> bool:
    """Delete the endpoint and return when it is gone. Returns whether there was one.

    `told` hears, now and then, what is waited for.

    Raises:
        CancelledByUser: stopping was asked for; a deletion that has begun goes on at AWS.
        AccessError, UnreachableError, SagewizardError: AWS refused, did not answer, or did not finish in time.
    """
    begun = time.monotonic()
    pause = _FIRST_PAUSE_SECONDS

    def wait(saying: str) -> None:
        nonlocal pause
        waited = time.monotonic() - begun
        if waited > _LONGEST_WAIT_SECONDS:
            raise SagewizardError(
                f"The endpoint {name} was not gone after {format_duration(waited)}.",
                fix=f"Look at it with `sagewizard endpoints show {name}`, and delete it again.",
            )
        told(f"{saying} ({format_duration(waited)})")
        cancel.wait(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE_SECONDS)

    while True:
        try:
            if not hosting.delete_endpoint(clients, name):
                return False
            break
        except hosting.EndpointBusyError:
            wait(f"SageMaker does not delete {name} while it changes; waiting until it has settled")
    pause = _FIRST_PAUSE_SECONDS
    seen_deleting = False
    while True:
        try:
            endpoint = hosting.describe_endpoint(clients, name)
        except NotFoundError:
            return True
        if seen_deleting and endpoint.status == "Failed":  # how a deletion that failed shows
            raise SagewizardError(
                f"SageMaker could not delete the endpoint {name}: {endpoint.failure_reason or 'it gave no reason'}.",
                fix="Try again in some minutes.",
            )
        seen_deleting = seen_deleting or endpoint.status == "Deleting"
        wait(f"{name} is being deleted")
