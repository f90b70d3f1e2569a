"""How the stand-in Hub's answers go out: files whole and by ranges, as fast as is allowed, and with faults."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from tests.stand_in_hub_files import Held, HubFile, OnDisk

if TYPE_CHECKING:
    from tests.stand_in_hub import StandInHub

_AT_ONCE = 2**20


@dataclass
class Fault:
    """Something that goes wrong with the next `times` requests whose path matches.

    `drip` is the part of the answer that comes byte by byte and has no end; `body` is what comes of it at once.
    `flip` and `cut_after` are positions in the body of the answer. `expire` ends the signed address that is asked: it
    is refused from then on, and the Hub has to be asked for another.
    """

    path: re.Pattern[str]
    times: int
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drip: Literal["headers", "body"] | None = None
    body: bytes | None = None
    cut_after: int | None = None
    flip: int | None = None
    ignore_range: bool = False
    expire: bool = False


class Sending(BaseHTTPRequestHandler):
    """The half of the handler that sends. `fault` is what is to go wrong with the request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # headers and body are two writes: the second would wait for the first to be acknowledged
    )
    stand_in: "StandInHub"
    fault: Fault | None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Keep quiet."""

    def send_file(self, name: str, file: HubFile, headers: Mapping[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if self.fault and self.fault.ignore_range:
            self._send(200, file, 0, file.length_of(0, file.size), headers, name)
        elif not asked:
            self._send(200, file, 0, file.sent_whole, headers, name)
        elif asked[2] and int(asked[1]) >= file.size:
            self.answer(416, b"", {**headers, "Content-Range": f"bytes */{file.size}"})
        else:
            start, end = int(asked[1]), min(int(asked[2] or file.size), file.size - 1) + 1
            length = file.length_of(start, end - start)
            sent = f"bytes {start}-{start + length - 1}/{file.size}"
            self._send(206, file, start, length, {**headers, "Content-Range": sent}, name)

    def answer_json(self, status: int, value: Any, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._send(status, Held(body), 0, len(body), headers)

    def _send(
        self, status: int, file: HubFile, start: int, length: int, headers: Mapping[str, str], name: str = ""
    ) -> None:
        """Answer with a part of a file, or what the fault makes of it; by its name it is counted and slowed down."""
        fault = self.fault
        if fault and fault.body is not None:
            file, start, length, name = Held(fault.body), 0, len(fault.body), ""
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault and fault.cut_after is not None:
            length, self.close_connection = min(length, fault.cut_after), True
        flip = fault.flip if fault else None
        with self._noting_who_leaves():
            if isinstance(file, OnDisk) and flip is None:
                self._send_from_disk(file, start, length, name)
                return
            position = 0
            for piece in file.pieces(start, length, self.stand_in.limit.piece(_AT_ONCE)):
                self._let_pass(name, len(piece))
                if flip is not None and position <= flip < position + len(piece):
                    piece = _flipped(piece, flip - position)
                self.connection.sendall(piece)
                position += len(piece)

    def _send_from_disk(self, file: OnDisk, start: int, length: int, name: str) -> None:
        with file.path.open("rb", buffering=0) as source:
            while length > 0:
                count = min(length, self.stand_in.limit.piece(_AT_ONCE))
                self._let_pass(name, count)
                if self.connection.sendfile(source, start, count) < count:
                    raise EOFError(f"{file.path} has become shorter")
                start, length = start + count, length - count

    def _let_pass(self, name: str, count: int) -> None:
        if name:
            self.stand_in.limit.take(count)
            self.stand_in.count(name, count)

    def drip(self, fault: Fault) -> None:
        self.close_connection = True
        self.send_response(fault.status or 200)
        for name, value in fault.headers.items():
            self.send_header(name, value)
        with self._noting_who_leaves():
            if fault.drip == "headers":
                self.flush_headers()
                self.wfile.write(b"X-Slow: ")
            else:
                self.send_header("Content-Length", str(2**40))
                self.end_headers()
                self.wfile.write(fault.body or b"")
            self.stand_in.drip(self.wfile.write)

    @contextlib.contextmanager
    def _noting_who_leaves(self) -> Iterator[None]:
        try:
            yield
        except ConnectionError:
            self.close_connection = True
            self.stand_in.left.set()


def _flipped(piece: memoryview, position: int) -> memoryview:
    changed = bytearray(piece)
    changed[position] ^= 1
    return memoryview(changed)
