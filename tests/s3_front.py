"""A faulty front for the sandbox: requests go through it to another address, and go wrong on demand.

It stands for what lies between the program and AWS, and for AWS's own bad moments: answers that say to come back later,
expired credentials, connections that are cut, bits that flip, answers that are lost after the deed, networks that are
slow. Bodies pass in pieces, in both directions. Faults are for signed requests to S3 unless another service is named;
the sandbox's own requests (`/_sagewizard/`) always pass, and are not noted.

The sandbox checks no signatures, so it is all the same to it which address a request was signed for.
"""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from typing import Any

from core.sandbox import state_files
from core.sandbox.state_files import RunningSandbox
from tests.rate_limit import RateLimit, listening
from tests.s3_front_faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    REQUEST_TIMEOUT,
    SLOW_DOWN,
    Fault,
    Gate,
    Moment,
    Pattern,
    Refusal,
    Request,
)
from tests.s3_front_passing import Passing

__all__ = [
    "ACCESS_DENIED",
    "EXPIRED_TOKEN",
    "Gate",
    "INTERNAL_ERROR",
    "Moment",
    "REQUEST_TIMEOUT",
    "Refusal",
    "Request",
    "S3Front",
    "SLOW_DOWN",
    "front_of",
]


class S3Front:
    """The server in front of `upstream`; use it in a `with`.

    `bytes_per_second` bounds the bodies of requests, all connections together.
    """

    def __init__(self, upstream: str, *, bytes_per_second: int | None = None) -> None:
        self.upstream = upstream
        self.requests: list[Request] = []
        """All requests, in the order of their arrival."""
        self._ended = threading.Event()
        self.limit = RateLimit(bytes_per_second, wait=self._ended.wait)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._gates: list[Gate] = []
        self._sockets: set[socket.socket] = set()
        front = self

        class Bound(Passing):
            front_of = front

        self._server = _Server(("127.0.0.1", 0), Bound, bind_and_activate=False)
        self.url = listening(self._server, limited=bytes_per_second is not None)

    def __enter__(self) -> "S3Front":
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for gate in self._gates:
                gate.drop()
            for connection in self._sockets:
                _shut(connection)

    def fault(
        self,
        method: str = "",
        path: str = "",
        query: str = "",
        *,
        service: str | None = "s3",
        times: int = 1,
        at: Moment = "arrival",
        refuse: Refusal | None = None,
        cut: bool = False,
        flip: int | None = None,
        flip_answer: int | None = None,
        cut_answer: int | None = None,
    ) -> None:
        """Let the next `times` requests that fit go wrong. `service` `None`: of any service.

        At the moment `at`, `refuse` answers with an error, `cut` cuts the connection: with `answer` what was asked for
        is done and nobody hears of it. `flip` and `flip_answer` are positions in the body of the request or the answer
        where the lowest bit is another; after `cut_answer` bytes of its body the answer is cut.
        """
        self._add(
            Fault(
                Pattern(service, method, path, query),
                times,
                at,
                refuse=refuse,
                cut=cut,
                flip=flip,
                flip_answer=flip_answer,
                cut_answer=cut_answer,
            )
        )

    def hold(
        self,
        method: str = "",
        path: str = "",
        query: str = "",
        *,
        service: str | None = "s3",
        times: int = 1,
        at: Moment = "arrival",
    ) -> Gate:
        """Hold back the next `times` requests that fit, at a moment other than `body`, until the gate lets them go.

        Those that no gate let go are cut when the front ends.
        """
        if at == "body":
            raise ValueError("A body that is held back would have to be held in memory.")
        gate = Gate()
        self._add(Fault(Pattern(service, method, path, query), times, at, gate=gate))
        return gate

    def seen(
        self, method: str = "", path: str = "", query: str = "", *, service: str | None = "s3"
    ) -> tuple[Request, ...]:
        """Return the requests that fit, in the order of their arrival."""
        pattern = Pattern(service, method, path, query)
        with self._lock:
            return tuple(request for request in self.requests if pattern.fits(request))

    def uploaded(self, path: str = "") -> int:
        """Return how many bytes of objects and their parts have come, those that went wrong included."""
        return sum(request.bytes for request in self.seen("PUT", path))

    def clear(self) -> None:
        """Forget the requests so far, and the faults that have not struck."""
        with self._lock:
            self.requests.clear()
            self._faults.clear()

    def note(self, request: Request) -> Fault | None:
        """Take note of a request; return the fault that it is to have."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times > 0 and fault.pattern.fits(request):
                    fault.times -= 1
                    return fault
        return None

    def keep(self, connection: socket.socket) -> None:
        """Take note of a connection that ends when the front does."""
        with self._lock:
            self._sockets.add(connection)
        if self._ended.is_set():
            _shut(connection)

    def let_go(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._sockets.discard(connection)

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)
            if fault.gate:
                self._gates.append(fault.gate)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a connection that finds no room in the queue is tried again a second later

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side has ended it
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def front_of(running: RunningSandbox, *, bytes_per_second: int | None = None) -> Iterator[S3Front]:
    """Give a front of a sandbox, by which the program reaches it in its home of this moment (`SAGEWIZARD_HOME`).

    `open_account(sandbox=True)` and `sagewizard --sandbox …` go through it, here and in child processes that are
    started with that home; the ledgers are in that home. Such children have to end before this does: later they would
    start a sandbox of their own. The sandbox must be neither stopped nor reset from there: that would end the one that
    others use.

    Raises:
        ValueError: a sandbox is known in this home, perhaps that very one.
    """
    if state_files.read_running() is not None:
        raise ValueError("A sandbox is known in this home: give the test a home of its own.")
    with S3Front(running.url, bytes_per_second=bytes_per_second) as front:
        state_files.write_running(replace(running, url=front.url))
        try:
            yield front
        finally:
            state_files.remove_running()
