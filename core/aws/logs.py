"""CloudWatch Logs: what the containers of an endpoint print, read as it comes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import error_code, explained
from core.external_text import clean, clean_line

_LOOK_BACK_MS: Final = 60_000
"""How far behind the newest line seen is looked again: streams of several instances do not arrive in order."""
_MOST_STREAMS: Final = 50
_MOST_PAGES: Final = 200


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log stream (`<variant>/<instance>`), safe to show."""

    at: datetime
    stream: str
    text: str


def endpoint_log_group(name: str) -> str:
    """Return the log group that SageMaker writes an endpoint's output to."""
    return f"/aws/sagemaker/Endpoints/{name}"


class LogTail:
    """Follows all streams of a log group; each call of `new_lines` goes on where the last one ended.

    Reads with FilterLogEvents, or stream by stream with GetLogEvents where only that is allowed (the managed policy
    AmazonSageMakerFullAccess allows the second alone).
    """

    def __init__(self, clients: Clients, group: str, *, since: datetime | None = None) -> None:
        self._clients = clients
        self._group = group
        self._start_ms = int(since.timestamp() * 1000) if since else 0
        self._seen: dict[str, int] = {}
        self._tokens: dict[str, str] = {}
        self._by_stream = False
        self._denied = False
        self._read_already: list[LogLine] = []
        """Lines of a reading that failed before its end: they are not read again, and go out with the next one."""

    def new_lines(self) -> tuple[LogLine, ...]:
        """Return the lines that came since the last call, in order of time. A group that does not exist has none.

        Raises:
            AccessError: reading is not allowed; said once, later calls return nothing.
            UnreachableError, SagewizardError: AWS did not answer, or refused.
        """
        from botocore.exceptions import ClientError

        if self._denied:
            return ()
        with explained(f"read the log group {self._group}"):
            try:
                for line in self._read():
                    self._read_already.append(line)  # kept one by one: the next page may fail
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return ()
                if error_code(error) in {"AccessDenied", "AccessDeniedException"}:
                    self._denied = True
                raise
        lines, self._read_already = self._read_already, []
        return tuple(sorted(lines, key=lambda line: line.at))

    def _read(self) -> Iterator[LogLine]:
        from botocore.exceptions import ClientError

        if not self._by_stream:
            try:
                yield from self._filtered()
            except ClientError as error:
                if error_code(error) not in {"AccessDenied", "AccessDeniedException"}:
                    raise
                self._by_stream = True
            else:
                return
        yield from self._stream_by_stream()

    def _filtered(self) -> Iterator[LogLine]:
        request: dict[str, Any] = {"logGroupName": self._group, "startTime": self._start_ms}
        newest = 0
        for _ in range(_MOST_PAGES):
            page = self._clients.get("logs").filter_log_events(**request)
            for event in page.get("events", ()):
                newest = max(newest, event["timestamp"])
                if event["eventId"] not in self._seen:
                    self._seen[event["eventId"]] = event["timestamp"]
                    yield _line(event, event["logStreamName"])
            if not (token := page.get("nextToken")):
                break
            request["nextToken"] = token
        self._start_ms = max(self._start_ms, newest - _LOOK_BACK_MS)
        self._seen = {event: at for event, at in self._seen.items() if at >= self._start_ms}

    def _stream_by_stream(self) -> Iterator[LogLine]:
        logs = self._clients.get("logs")
        # The newest ones: each instance that was ever started has left a stream.
        streams = logs.describe_log_streams(
            logGroupName=self._group, orderBy="LastEventTime", descending=True, limit=_MOST_STREAMS
        )["logStreams"]
        for stream in (found["logStreamName"] for found in streams):
            for _ in range(_MOST_PAGES):
                where: dict[str, Any] = {"nextToken": token} if (token := self._tokens.get(stream)) else {}
                page = logs.get_log_events(
                    logGroupName=self._group,
                    logStreamName=stream,
                    startFromHead=True,
                    startTime=self._start_ms,
                    **where,
                )
                for event in page["events"]:
                    yield _line(event, stream)
                self._tokens[stream] = page["nextForwardToken"]
                if page["nextForwardToken"] == token:  # the same token again means the end, for now
                    break


def _line(event: dict[str, Any], stream: str) -> LogLine:
    return LogLine(
        at=datetime.fromtimestamp(event.get("timestamp", time.time() * 1000) / 1000, UTC),
        stream=clean_line(stream),
        text=clean(event["message"]).replace("\n", " ").rstrip(),  # indentation says something in a traceback
    )
