"""Brings what containers write to CloudWatch Logs, in batches and off the containers' way."""

import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from core.sandbox.hosting.batching import Batches

_LONGEST: Final = 16 * 1024
"""Bytes after which a line is cut in two, as Docker's log drivers do."""
_MOST_WAITING: Final = 20_000
"""Lines that may wait; what a container writes beyond is counted and dropped, so that it never waits for its log."""
_BATCH_EVENTS: Final = 5_000
_BATCH_BYTES: Final = 900_000  # PutLogEvents takes 1,048,576, each event counting 26 more than its message
_PAUSE: Final = 0.2  # seconds that lines gather before they are sent

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogStream:
    """A place in CloudWatch Logs."""

    region: str
    group: str
    name: str


class LogShipper:
    """Sends lines to CloudWatch Logs in the order they came. `client` gives the boto3 `logs` client of a region."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client
        self._made: set[LogStream] = set()
        self._dropped: Counter[LogStream] = Counter()
        self._counting = threading.Lock()
        self._batches = Batches(self._send_all, name="log-shipper", pause=_PAUSE, most=_MOST_WAITING)

    def write(self, stream: LogStream, line: str) -> None:
        """Take one line, without waiting. Control characters are kept; empty lines are not: CloudWatch takes none."""
        if line and not self._batches.add((stream, _now(), line)):
            with self._counting:
                self._dropped[stream] += 1

    def flush(self, timeout: float) -> bool:
        """Wait until all that was taken is sent, for at most `timeout` seconds; return whether it is."""
        return self._batches.flush(timeout)

    def close(self, timeout: float) -> None:
        """Send what is left, for at most `timeout` seconds, and end."""
        self._batches.close(timeout)

    def _send_all(self, lines: list[tuple[LogStream, int, str]]) -> None:
        with self._counting:
            dropped, self._dropped = self._dropped, Counter()
        lines += [
            (stream, _now(), f"[{count} lines were dropped: they came faster than they could be sent]")
            for stream, count in dropped.items()
        ]
        for stream in dict.fromkeys(line[0] for line in lines):
            self._send(stream, [(at, text) for of, at, text in lines if of == stream])

    def _send(self, stream: LogStream, lines: list[tuple[int, str]]) -> None:
        try:
            client = self._client(stream.region)
            for batch in _batches(lines):
                self._put(client, stream, batch)
        except Exception:
            # The log of a container is lost then, as on AWS without permission to write it; the container is not.
            logger.exception("Lines for %s could not be sent", stream.group)

    def _put(self, client: Any, stream: LogStream, events: list[dict[str, Any]]) -> None:
        for last_try in (False, True):
            if stream not in self._made:
                self._make(client, stream)
            try:
                client.put_log_events(logGroupName=stream.group, logStreamName=stream.name, logEvents=events)
            except client.exceptions.ResourceNotFoundException:
                if last_try:
                    raise
                self._made.discard(stream)  # somebody deleted it: made again, as by SageMaker
            else:
                return

    def _make(self, client: Any, stream: LogStream) -> None:
        for make, names in (
            (client.create_log_group, {"logGroupName": stream.group}),
            (client.create_log_stream, {"logGroupName": stream.group, "logStreamName": stream.name}),
        ):
            with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
                make(**names)
        self._made.add(stream)


def _now() -> int:
    return int(time.time() * 1000)


def _batches(lines: list[tuple[int, str]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = latest = 0
    for at, text in lines:
        latest = max(latest, at)  # the clock may have been set back; a batch must be in order
        cost = len(text.encode("utf-8", "replace")) + 26
        if batch and (size + cost > _BATCH_BYTES or len(batch) >= _BATCH_EVENTS):
            yield batch
            batch, size = [], 0
        batch.append({"timestamp": latest, "message": text})
        size += cost
    if batch:
        yield batch


def pump(pipe: int, write: Callable[[str], None]) -> None:
    """Read a pipe until it closes and hand each line to `write`; close the pipe. Lines need not be UTF-8, or end."""
    rest = b""
    with os.fdopen(pipe, "rb", buffering=0) as stream:
        while piece := stream.read(65536):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                _write_cut(line, write)
            if len(rest) >= _LONGEST:
                whole = len(rest) - len(rest) % _LONGEST
                _write_cut(rest[:whole], write)
                rest = rest[whole:]
    _write_cut(rest, write)


def _write_cut(line: bytes, write: Callable[[str], None]) -> None:
    for start in range(0, len(line), _LONGEST):
        write(line[start : start + _LONGEST].decode("utf-8", "replace"))
