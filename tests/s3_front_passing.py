"""How a request passes the front (`tests.s3_front`): in pieces, counted, slowed down, and with its fault."""

import contextlib
import http.client
import select
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.sandbox.administration import OWN_PATHS
from core.sandbox.answers import error_for
from core.sandbox.request_scope import scope_of
from tests.s3_front_faults import Fault, Refusal, Request

if TYPE_CHECKING:
    from tests.s3_front import S3Front

_AT_ONCE = 2**18
_LONGEST_LINE = 2**12
_LINGER_SECONDS = 5.0
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect", "host", "proxy-connection"}
"""RFC 9110, 7.6.1, and what is said anew."""
_WITHOUT_BODY = {204, 304}


class _CutError(Exception):
    """The client's connection is to be cut."""


class _RefusedError(Exception):
    """The request is to be answered with an error."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Passing(BaseHTTPRequestHandler):
    """A connection of a client; each of its requests gets one of its own to the other side."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    front_of: "S3Front"

    def setup(self) -> None:
        self.front_of.keep(self.request)
        super().setup()

    def finish(self) -> None:
        self.front_of.let_go(self.request)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Keep quiet."""

    def handle_expect_100(self) -> bool:
        """Wait with the word that the body may come until it is to be read."""
        self._asks_first = True
        return True

    def parse_request(self) -> bool:
        self._asks_first = False
        return super().parse_request()

    def _pass(self) -> None:
        url = urlsplit(self.path)
        self._environ = {
            "HTTP_AUTHORIZATION": self.headers.get("Authorization", ""),
            "HTTP_SMITHY_PROTOCOL": self.headers.get("smithy-protocol", ""),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "QUERY_STRING": url.query,
        }
        scope = scope_of(self._environ)
        request = Request(scope.service if scope else "", self.command, url.path, url.query)
        fault = None if url.path.startswith(OWN_PATHS) else self.front_of.note(request)
        self._left = int(self.headers.get("Content-Length") or 0)
        self._chunked = "chunked" in (self.headers.get("Transfer-Encoding") or "").lower()
        self._body_is_read = not self._left and not self._chunked
        try:
            self._strike(fault, "arrival")
            if fault and fault.at == "body" and (fault.cut or fault.refuse):
                for _ in self._body(request, fault):
                    pass
                self._strike(fault, "body")
            self._pass_on(request, fault)
        except _RefusedError as error:
            request.status = error.refusal.status
            self._refuse(error.refusal, request.service)
        except (_CutError, http.client.HTTPException, OSError):
            self._cut()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = _pass  # noqa: N815 - names of the base class

    def _strike(self, fault: Fault | None, moment: "str | int") -> None:
        if fault is None or fault.at != moment:
            return
        if fault.gate and not fault.gate.pass_through():
            raise _CutError
        if fault.cut:
            raise _CutError
        if fault.refuse:
            raise _RefusedError(fault.refuse)

    def _pass_on(self, request: Request, fault: Fault | None) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.front_of.upstream).netloc, blocksize=_AT_ONCE)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.front_of.keep(connection.sock)
        there = connection.sock
        try:
            connection.putrequest(self.command, self.path, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            if self._chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            self._send_body(connection, request, fault)
            answer = connection.getresponse()
            self._strike(fault, "answer")
            request.status = answer.status
            self._give_back(answer, fault)
        finally:
            self.front_of.let_go(there)
            connection.close()

    def _send_body(self, connection: http.client.HTTPConnection, request: Request, fault: Fault | None) -> None:
        takes_it = True
        position = 0
        for piece in self._body(request, fault):
            try:
                if takes_it:
                    connection.send(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
            except ConnectionError:
                takes_it = False  # it has answered already; the client is to get to hear that, not to be cut
            position += len(piece)
            self._strike(fault, position)
        if self._chunked and takes_it:
            connection.send(b"0\r\n\r\n")

    def _body(self, request: Request, fault: Fault | None) -> Iterator[bytes]:
        """Yield the body in pieces; one of them ends where the fault is to strike."""
        if self._body_is_read:
            return
        if self._asks_first:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        stop = fault.at if fault and isinstance(fault.at, int) else 0
        flip = fault.flip if fault and fault.flip is not None else -1
        position = 0
        limit = self.front_of.limit
        while room := self._following():
            largest = min(room, limit.piece(_AT_ONCE))
            if position < stop:
                largest = min(largest, stop - position)
            piece = self.rfile.read1(largest)
            if not piece:
                raise _CutError  # the client has gone
            self._left -= len(piece)
            limit.take(len(piece))
            if position <= flip < position + len(piece):
                piece = flipped(piece, flip - position)
            position += len(piece)
            request.bytes = position
            yield piece
        self._body_is_read = True

    def _following(self) -> int:
        """Return how many bytes may be read next: of the body, or of its chunk; 0 at the end."""
        if self._left or not self._chunked:
            return self._left
        line = self.rfile.readline(_LONGEST_LINE)
        if line == b"\r\n":  # the end of the chunk before
            line = self.rfile.readline(_LONGEST_LINE)
        self._left = int(line.partition(b";")[0] or b"0", 16)
        if not self._left:
            while self.rfile.readline(_LONGEST_LINE) not in {b"\r\n", b""}:
                pass
        return self._left

    def _give_back(self, answer: http.client.HTTPResponse, fault: Fault | None) -> None:
        length = answer.headers.get("Content-Length")
        empty = self.command == "HEAD" or answer.status in _WITHOUT_BODY
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if not empty and length is None:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if empty:
            return
        flip = fault.flip_answer if fault and fault.flip_answer is not None else -1
        stop = fault.cut_answer if fault and fault.cut_answer is not None else None
        position = 0
        while data := answer.read1(_AT_ONCE if stop is None else min(_AT_ONCE, stop - position)):
            if position <= flip < position + len(data):
                data = flipped(data, flip - position)
            self.connection.sendall(b"%x\r\n%s\r\n" % (len(data), data) if length is None else data)
            position += len(data)
        if stop == position or (length is not None and position != int(length)):
            raise _CutError
        if length is None:
            self.connection.sendall(b"0\r\n\r\n")

    def _refuse(self, refusal: Refusal, service: str) -> None:
        told = error_for(self._environ, service, refusal.code, refusal.message, status=refusal.status)
        self.send_response_only(told.status)
        whole = self._body_is_read
        for name, value in {**told.headers, "Content-Length": str(len(told.body))}.items():
            self.send_header(name, value)
        if not whole:
            self.close_connection = True
            self.send_header("Connection", "close")
        with contextlib.suppress(OSError):
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(told.body)
            if not whole:
                self._linger()

    def _linger(self) -> None:
        """Read what the client goes on sending: closed before, the connection would be reset, and the answer lost."""
        self.connection.shutdown(socket.SHUT_WR)
        while select.select([self.connection], [], [], _LINGER_SECONDS)[0] and self.connection.recv(_AT_ONCE):
            pass

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def flipped(piece: bytes, position: int) -> bytes:
    """Return a piece whose byte at a position has another lowest bit."""
    return piece[:position] + bytes([piece[position] ^ 1]) + piece[position + 1 :]
