import threading
from typing import Any

import pytest

from core.sandbox.hosting.container_logs import LogShipper, LogStream

STREAM = LogStream("us-east-1", "/aws/sagemaker/Endpoints/e", "v/i-1")


class Logs:
    """A CloudWatch Logs client that keeps what it is given, and waits while `open` is not set."""

    class exceptions:  # noqa: N801 - as boto3 has it
        class ResourceAlreadyExistsException(Exception):  # noqa: N818
            pass

        class ResourceNotFoundException(Exception):  # noqa: N818
            pass

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls: list[list[dict[str, Any]]] = []

    def create_log_group(self, **_: str) -> None:
        self.open.wait(30)
        raise self.exceptions.ResourceAlreadyExistsException

    def create_log_stream(self, **_: str) -> None:
        pass

    def put_log_events(self, *, logEvents: list[dict[str, Any]], **_: str) -> None:  # noqa: N803 - as boto3 has it
        self.calls.append(logEvents)

    @property
    def messages(self) -> list[str]:
        return [event["message"] for call in self.calls for event in call]


@pytest.fixture
def logs() -> Logs:
    return Logs()


def test_a_flood_is_bounded_and_said_to_be(logs: Logs) -> None:
    shipper = LogShipper(lambda _region: logs)
    shipper.write(STREAM, "first")
    for number in range(60_000):  # nothing is sent meanwhile, and no write waits
        shipper.write(STREAM, f"line {number}")
    logs.open.set()
    assert shipper.flush(30)
    shipper.close(30)
    assert logs.messages[:2] == ["first", "line 0"]
    assert len(logs.messages) < 45_000
    assert any("lines were dropped" in message for message in logs.messages)


def test_batches_stay_within_what_cloudwatch_takes(logs: Logs) -> None:
    logs.open.set()
    shipper = LogShipper(lambda _region: logs)
    for _ in range(200):
        shipper.write(STREAM, "é" * 8000)
    shipper.write(STREAM, "")
    assert shipper.flush(30)
    shipper.close(30)
    assert len(logs.messages) == 200
    assert all(sum(len(event["message"].encode()) + 26 for event in call) <= 1_048_576 for call in logs.calls)


def test_a_service_that_fails_does_not_stop_it(logs: Logs) -> None:
    logs.open.set()
    fails = [True]

    def client(_region: str) -> Logs:
        if fails:
            raise OSError(fails.pop())
        return logs

    shipper = LogShipper(client)
    shipper.write(STREAM, "lost")
    assert shipper.flush(30)
    shipper.write(STREAM, "kept")
    assert shipper.flush(30)
    shipper.close(30)
    assert logs.messages == ["kept"]
