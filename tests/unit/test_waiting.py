"""Waiting for an endpoint while the network comes and goes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from core.account import Account
from core.aws.clients import Clients
from core.cancellation import CancelToken
from core.deployments.events import Event
from core.deployments.reporting import Reporter
from core.deployments.waiting import wait_until_in_service
from core.errors import CancelledByUser

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Flaky(Clients):
    """SageMaker behind a network: `answers` are statuses of the endpoint, `None` where it is out of reach."""

    def __init__(self, answers: list[str | None]) -> None:
        super().__init__(region="us-east-1")
        self.answers = answers

    def get(self, service: str) -> Any:
        assert service in {"sagemaker", "logs"}
        return self

    def filter_log_events(self, **_: object) -> dict[str, Any]:
        return {"events": []}

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - as boto3 spells it
        if (status := self.answers.pop(0)) is None:
            raise EndpointConnectionError(endpoint_url="https://api.sagemaker")
        times = {"CreationTime": _NOW, "LastModifiedTime": _NOW}
        return {"EndpointName": EndpointName, "EndpointArn": "arn", "EndpointStatus": status, **times}


class Hurry(CancelToken):
    """A token whose pauses take no time; it asks to stop at the pause number `stop_at`."""

    def __init__(self, stop_at: int = 0) -> None:
        super().__init__()
        self.pauses, self.stop_at = 0, stop_at

    def wait(self, seconds: float) -> None:
        self.pauses += 1
        if self.pauses == self.stop_at:
            self.cancel()
        self.check()


def _wait(answers: list[str | None], cancel: Hurry, folder: Path) -> list[Event]:
    events: list[Event] = []
    account = Account(Flaky(answers), label="x", ledgers=folder, sandbox=False)
    with Reporter("d", events.append).stage("endpoint", "Creating") as report:
        wait_until_in_service(account, "e", timeout_seconds=60, report=report, cancel=cancel)
    return events


def test_a_network_that_comes_back_does_not_cost_the_endpoint(tmp_path: Path) -> None:
    answers = [None, "Creating", None, None, "Creating", None, "InService"]
    events = _wait(answers, Hurry(), tmp_path)
    assert answers == []
    assert events[-1].kind == "finished"


def test_stopping_ends_the_wait_for_the_network(tmp_path: Path) -> None:
    with pytest.raises(CancelledByUser):
        _wait(["Creating", "Creating", *[None] * 9], Hurry(stop_at=3), tmp_path)
