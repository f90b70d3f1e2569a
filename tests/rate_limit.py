"""A network that is only so fast, for the servers that tests put in the place of the real ones."""

import socket
import threading
import time
from collections.abc import Callable
from http.server import HTTPServer
from typing import Any, Final

_SMALL_BUFFER: Final = 2**17
_LEAST_PIECE: Final = 1024
_PIECES_A_SECOND: Final = 50


class RateLimit:
    """Lets `bytes_per_second` pass over all connections together, without any burst; `None` lets everything pass.

    Bytes are waited for before they pass, so that never more have passed than the time since the first allows. `clock`
    returns seconds that never go back, `wait` waits for some seconds; both may be a test's own. Thread-safe.
    """

    def __init__(
        self,
        bytes_per_second: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._free_at = clock()
        """When all that was let pass so far has had its time."""

    def piece(self, most: int) -> int:
        """Return how many bytes are to pass at once: `most`, or fewer where the rate would make it jerky."""
        return most if self._rate is None else min(most, max(_LEAST_PIECE, self._rate // _PIECES_A_SECOND))

    def take(self, count: int) -> None:
        """Return once `count` more bytes may pass."""
        if self._rate is None:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + count / self._rate
            seconds = self._free_at - now
        self._wait(seconds)


def listening(server: HTTPServer, *, limited: bool) -> str:
    """Have a server that is not bound yet listen on this machine, in a thread of its own; return its address.

    `limited`: a `RateLimit` slows down what it takes, so that little may wait in the system's buffers, which is taken
    to be sent by who sent it.
    """
    if limited:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
    server.server_bind()
    server.server_activate()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"
