"""Waiting for an endpoint to come into service, with its status and its container's log passed on meanwhile."""

import time
from typing import Final

from core.account import Account
from core.aws import hosting
from core.aws.descriptions import EndpointDescription
from core.aws.logs import LogTail, endpoint_log_group
from core.cancellation import CancelToken
from core.deployments.reporting import StageReport
from core.errors import AccessError, DeploymentFailedError, SagewizardError, UnreachableError
from core.quantities import format_duration

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 5.0
_GROWTH: Final = 1.5
_PROVISIONING_SECONDS: Final = 1800
"""What finding an instance and pulling an image may take on top of the timeouts that the config sets."""
_LONGEST_SILENCE_SECONDS: Final = 600
"""How long AWS may be out of reach meanwhile: a network that comes back must not cost the endpoint."""
_LOG_LINES_KEPT: Final = 200


def wait_until_in_service(
    account: Account, name: str, *, timeout_seconds: float, report: StageReport, cancel: CancelToken
) -> None:
    """Return when the endpoint is in service.

    `timeout_seconds` is what the config allows its container for download and start.

    Raises:
        DeploymentFailedError: it failed, or did not come up in time.
        CancelledByUser: stopping was asked for; the endpoint goes on being created.
        AccessError, UnreachableError, SagewizardError: AWS cannot be asked any more.
    """
    begun = time.monotonic()
    deadline = begun + timeout_seconds + _PROVISIONING_SECONDS
    created = _described(account, name, report, cancel).created
    # An endpoint of the same name that is gone has left its log there.
    tail: LogTail | None = LogTail(account.clients, endpoint_log_group(name), since=created)
    seen: list[str] = []
    pause, status = _FIRST_PAUSE_SECONDS, ""
    while True:
        endpoint = _described(account, name, report, cancel)
        tail = _pass_on_log(tail, report, seen)
        if endpoint.status == "InService":
            return
        if endpoint.status == "Failed":
            reason = endpoint.failure_reason or "SageMaker gave no reason."
            raise DeploymentFailedError(
                f"The endpoint failed to start: {reason}{_last_error(seen)}",
                fix=f"Read what the container said: {account.command(f'endpoints logs {name}')}.",
            )
        if endpoint.status != status:
            status, pause = endpoint.status, _FIRST_PAUSE_SECONDS
        waited = time.monotonic() - begun
        if time.monotonic() > deadline:
            raise DeploymentFailedError(
                f"The endpoint was still {status} after {format_duration(waited)}.",
                fix="The region may be out of such instances: try another type or region.",
            )
        report.progress(status)
        cancel.wait(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE_SECONDS)


def _described(account: Account, name: str, report: StageReport, cancel: CancelToken) -> EndpointDescription:
    """Return the endpoint, asked for again while AWS cannot be reached."""
    until = time.monotonic() + _LONGEST_SILENCE_SECONDS
    while True:
        try:
            return hosting.describe_endpoint(account.clients, name)
        except UnreachableError as error:
            if time.monotonic() > until:
                raise
            report.progress(f"Waiting for AWS to be in reach again: {error.message}")
        cancel.wait(_LONGEST_PAUSE_SECONDS)


def _pass_on_log(tail: LogTail | None, report: StageReport, seen: list[str]) -> LogTail | None:
    """Report the lines that are new; without permission to read them the wait goes on without."""
    if tail is None:
        return None
    try:
        for line in tail.new_lines():
            seen.append(line.text)
            report.log(line.text)
        del seen[:-_LOG_LINES_KEPT]
    except AccessError as error:
        report.warning(f"The container's log cannot be read: {error.message}")
        return None
    except SagewizardError:
        return tail  # a log that cannot be read just now is no reason to stop waiting
    return tail


def _last_error(lines: list[str]) -> str:
    """Return the log line that most likely says why, as a continuation of a sentence; empty without one."""
    for line in reversed(lines):
        if "Error" in line or "error:" in line or "No module named" in line:
            return f" The container's log says: {line.strip()[:300]}"
    return ""
