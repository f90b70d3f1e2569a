"""Following a log: each line once, in order, with whichever permission there is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from core.aws.clients import Clients
from core.aws.logs import LogTail, endpoint_log_group
from core.errors import AccessError, SagewizardError

GROUP = endpoint_log_group("e")
NOON = 1_767_268_800_000


class OneClient(Clients):
    """Clients of which only that of Logs exists, and that one is a stubbed one."""

    def __init__(self, client: Any) -> None:
        super().__init__(region="us-east-1")
        self._client = client

    def get(self, service: str) -> Any:
        assert service == "logs"
        return self._client


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = boto3.client(
        "logs", region_name="us-east-1", aws_access_key_id="not-a-key", aws_secret_access_key="not-a-secret"
    )
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def tail(stub: Stubber) -> LogTail:
    return LogTail(OneClient(stub.client), GROUP)


def event(number: int, text: str, stream: str = "A/1") -> dict[str, Any]:
    return {"eventId": str(number), "timestamp": NOON + number, "message": text, "logStreamName": stream}


def filtered(stub: Stubber, events: list[dict[str, Any]], *, start: int = 0, **more: Any) -> None:
    given = {"logGroupName": GROUP, "startTime": start, **({"nextToken": more["page"]} if "page" in more else {})}
    answer = {"events": events, **({"nextToken": more["next"]} if "next" in more else {})}
    stub.add_response("filter_log_events", answer, given)


def test_each_line_comes_once_and_in_order(stub: Stubber, tail: LogTail) -> None:
    filtered(stub, [event(2, "two", "A/2")], next="p")
    filtered(stub, [event(1, "one")], page="p")
    assert [line.text for line in tail.new_lines()] == ["one", "two"]
    filtered(
        stub, [event(1, "one"), event(2, "two"), event(0, "late", "A/2"), event(3, "three")], start=NOON + 2 - 60_000
    )
    lines = tail.new_lines()
    assert [(line.stream, line.text) for line in lines] == [("A/2", "late"), ("A/1", "three")]
    assert lines[1].at == datetime(2026, 1, 1, 12, 0, 0, 3000, tzinfo=UTC)


def test_lines_read_before_a_page_failed_are_not_lost(stub: Stubber, tail: LogTail) -> None:
    filtered(stub, [event(1, "one")], next="p")
    stub.add_client_error("filter_log_events", "InternalFailure", "again, please", http_status_code=500)
    with pytest.raises(SagewizardError):
        tail.new_lines()
    filtered(stub, [event(1, "one")], next="p")
    filtered(stub, [event(2, "two")], page="p")
    assert [line.text for line in tail.new_lines()] == ["one", "two"]


def test_lines_are_safe_to_show_and_keep_their_indentation(stub: Stubber, tail: LogTail) -> None:
    filtered(stub, [event(1, "    raise\x1b[2J ValueError\n")])
    assert [line.text for line in tail.new_lines()] == ["    raise ValueError"]


def test_a_log_that_does_not_exist_yet_has_no_lines(stub: Stubber, tail: LogTail) -> None:
    stub.add_client_error("filter_log_events", "ResourceNotFoundException", "The specified log group does not exist.")
    assert tail.new_lines() == ()
    filtered(stub, [event(1, "here")])
    assert len(tail.new_lines()) == 1


def test_streams_are_read_one_by_one_where_only_that_is_allowed(stub: Stubber, tail: LogTail) -> None:
    def streams() -> None:
        newest = {"logGroupName": GROUP, "orderBy": "LastEventTime", "descending": True, "limit": 50}
        stub.add_response("describe_log_streams", {"logStreams": [{"logStreamName": "A/1"}]}, newest)

    def page(events: list[dict[str, Any]], token: str | None, following: str) -> None:
        given = {"logGroupName": GROUP, "logStreamName": "A/1", "startFromHead": True, "startTime": 0}
        found = [{"timestamp": item["timestamp"], "message": item["message"]} for item in events]
        stub.add_response(
            "get_log_events",
            {"events": found, "nextForwardToken": following},
            given | ({"nextToken": token} if token else {}),
        )

    stub.add_client_error("filter_log_events", "AccessDeniedException", "no")
    streams()
    page([event(1, "one")], None, "f/1")
    page([], "f/1", "f/1")
    assert [line.text for line in tail.new_lines()] == ["one"]
    streams()
    page([event(2, "two")], "f/1", "f/2")
    page([], "f/2", "f/2")
    assert [line.text for line in tail.new_lines()] == ["two"]


def test_that_reading_is_not_allowed_is_said_once(stub: Stubber, tail: LogTail) -> None:
    stub.add_client_error("filter_log_events", "AccessDeniedException", "not authorized to perform FilterLogEvents")
    stub.add_client_error(
        "describe_log_streams", "AccessDeniedException", "not authorized to perform DescribeLogStreams"
    )
    with pytest.raises(AccessError, match="DescribeLogStreams"):
        tail.new_lines()
    assert tail.new_lines() == ()
