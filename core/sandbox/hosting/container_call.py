"""One HTTP request to a container's `/invocations`, with a limit for the whole of it."""

import http.client
import socket
import time
from collections.abc import Mapping
from typing import Final

_CONNECT_SECONDS: Final = 5.0
_PIECE: Final = 64 * 1024


class CallTimedOutError(Exception):
    """The container has not finished its answer within the limit."""


class CallBrokenError(Exception):
    """The container closed the connection before its answer was complete, or answered with something else than HTTP."""


class ContainerCall:
    """A call that must be over `seconds` after it was made. Close it in any case."""

    def __init__(self, port: int, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=min(_CONNECT_SECONDS, seconds))
        self._socket: socket.socket | None = None
        self._response: http.client.HTTPResponse | None = None
        self.status = 0
        """The container's HTTP status, 0 until it has answered."""

    def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send the request and wait for status and headers.

        Raises:
            ConnectionRefusedError: nothing listens there any more.
            CallTimedOutError: no answer in time.
            CallBrokenError: the connection was closed instead.
        """
        try:
            self._connection.connect()
            self._socket = self._connection.sock  # kept: http.client lets go of it while the body is still to come
            self._limit()
            self._connection.request("POST", "/invocations", body=body, headers=dict(headers))
            self._limit()
            self._response = self._connection.getresponse()
        except ConnectionRefusedError:
            raise
        except TimeoutError as error:
            raise CallTimedOutError from error
        except (OSError, http.client.HTTPException) as error:
            raise CallBrokenError from error
        self.status = self._response.status

    def header(self, name: str) -> str | None:
        """Return a header of the answer."""
        return self._response.headers.get(name) if self._response else None

    def read_piece(self) -> bytes:
        """Return what has arrived of the body, at least a byte; empty at its end.

        Raises:
            CallTimedOutError: the limit is over.
            CallBrokenError: the body ends before it is complete.
        """
        assert self._response is not None  # noqa: S101 - called after `send`
        self._limit()
        try:
            piece = self._response.read1(_PIECE)
        except TimeoutError as error:
            raise CallTimedOutError from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CallBrokenError from error
        if not piece and self._response.length:
            raise CallBrokenError
        return piece

    def read_whole(self, most_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            CallTimedOutError: the limit is over.
            CallBrokenError: the body ends before it is complete, or is longer than `most_bytes`.
        """
        pieces: list[bytes] = []
        total = 0
        while piece := self.read_piece():
            pieces.append(piece)
            total += len(piece)
            if total > most_bytes:
                raise CallBrokenError
        return b"".join(pieces)

    def close(self) -> None:
        """Close the connection, wherever the call stands."""
        if self._response:
            self._response.close()
        self._connection.close()

    def _limit(self) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise CallTimedOutError
        if self._socket is not None and self._socket.fileno() >= 0:
            self._socket.settimeout(remaining)
