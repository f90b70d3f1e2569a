"""One answer of the Hub, read by a thread of its own, so that waiting for it ends when asked or when it takes too long.

A read that blocks cannot be interrupted, and the timeout between two pieces says nothing of the whole: a server that
sends a byte now and then keeps headers, a TLS handshake or a compressed body from ever being there, in loops of the
HTTP library that ask nobody. So another thread reads, and the one that waits looks at the clock and at the token.

What is given up while it is being read has its connection shut, which ends the thread; where that cannot be done (an
unfinished TLS handshake, headers on a connection that was there before) the thread ends when the server does, or with
the program.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue
from typing import Any, Final

from core.cancellation import CancelToken

_TURN_SECONDS: Final = 0.2
"""How long stopping may go unnoticed."""
_MOST_REDIRECTS: Final = 10
_MOST_DRAINED: Final = 64 * 2**10
"""Bytes of a redirect's body that are read so that its connection can be used again."""


class AnswerTooSlowError(TimeoutError):
    """An answer, or its beginning, was not there in the time that it may take."""


class RedirectedError(Exception):
    """An answer redirects too often, or to what is no address."""


class HubAnswer:
    """An answer that is read bit by bit, by one thread at a time. `close` it; after an error nothing else can be done.

    Errors of the HTTP library pass through. `session` is an httpx client, `timeout` seconds to connect and between two
    pieces. Redirects are followed here: the library would read all of their bodies, however large. With `stay`, the
    one that leads to another origin is not followed; it is the answer then, and `elsewhere` the address.
    """

    def __init__(
        self, session: Any, url: str, headers: Mapping[str, str], *, timeout: float, stay: bool = False
    ) -> None:
        # https://www.python-httpx.org/advanced/extensions/#trace
        watched = {"trace": self._note_connection}
        self._session = session
        self._stay = stay
        self._request = session.build_request("GET", url, headers=headers, timeout=timeout, extensions=watched)
        self._response: Any = None
        self._broken: BaseException | None = None
        self._elsewhere: str | None = None
        self._connections: list[Any] = []
        """The network streams that carry the answer, as far as they are known."""
        self._steps: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._busy = self._closed = False
        threading.Thread(target=self._work, name="hub-answer", daemon=True).start()

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return int(self._response.status_code)

    @property
    def elsewhere(self) -> str | None:
        """The address at another origin that it redirects to and that was not asked; `None` when there is none."""
        return self._elsewhere

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, whatever the case of their names."""
        headers: Mapping[str, str] = self._response.headers
        return headers

    @property
    def next_link(self) -> object:
        """The address in the header `Link: <address>; rel="next"`, `None` without one."""
        return self._response.links.get("next", {}).get("url")

    def open(self, cancel: CancelToken, *, seconds: float) -> None:
        """Send the request and wait for the headers, for at most `seconds`.

        Raises:
            AnswerTooSlowError: they did not come in time.
            RedirectedError: there are too many redirects, or one to what is no address.
            CancelledByUser: stopping was asked for.
        """
        self._awaited(self._open, cancel, time.monotonic() + seconds)

    def pieces(self, cancel: CancelToken, *, batch: int = 1, seconds: float | None = None) -> Iterator[bytes]:
        """Yield the body, decompressed, in pieces as they arrive; about `batch` bytes of them at a time.

        What goes from thread to thread costs time, so that the body of a large file is taken in large batches. All
        that came before a connection broke is yielded.

        Raises:
            AnswerTooSlowError: the whole takes more than `seconds`.
            CancelledByUser: stopping was asked for.
        """
        ends = None if seconds is None else time.monotonic() + seconds
        body = self._response.iter_bytes()
        while pieces := self._awaited(lambda: self._batch(body, batch), cancel, ends):
            yield from pieces

    def with_beginning(self, limit: int, cancel: CancelToken, *, seconds: float) -> Any:
        """Return the HTTP library's answer with the first `limit` bytes of its body as all of it.

        Fewer, when the rest breaks off or does not come within `seconds`.

        Raises:
            CancelledByUser: stopping was asked for.
        """
        found = bytearray()
        with contextlib.suppress(Exception):  # an error's text is worth having, but not worth failing for
            for piece in self.pieces(cancel, seconds=seconds) if limit else ():
                found += piece
                if len(found) >= limit:
                    break
        cancel.check()
        self._response._content = bytes(found[:limit])
        return self._response

    def close(self) -> None:
        """Give the connection back, or shut it when the answer has not been read to its end. Does not wait."""
        self._closed = True
        if self._busy:
            for connection in tuple(self._connections):
                _shut(connection)
        elif self._response is not None:
            self._response.close()
        self._steps.put(None)

    def _awaited(self, step: Callable[[], Any], cancel: CancelToken, ends: float | None) -> Any:
        """Return what `step` does, done by the other thread."""
        cancel.check()
        self._busy = True
        self._steps.put(step)
        while True:
            left = _TURN_SECONDS if ends is None else min(_TURN_SECONDS, ends - time.monotonic())
            if left <= 0:
                raise AnswerTooSlowError
            with contextlib.suppress(Empty):
                value, error = self._outcomes.get(timeout=left)
                break
            cancel.check()
        self._busy = False
        if error is not None:
            raise error
        return value

    def _work(self) -> None:
        while (step := self._steps.get()) is not None:
            try:
                self._outcomes.put((step(), None))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                self._outcomes.put((None, error))
        if self._busy and self._response is not None:  # nobody has waited for the last step
            with contextlib.suppress(Exception):
                self._response.close()

    def _open(self) -> None:
        request = self._request
        for _ in range(_MOST_REDIRECTS + 1):
            self._connections.clear()
            if self._closed:
                return
            self._response = response = self._session.send(request, stream=True, follow_redirects=False)
            self._connections[:] = filter(None, [response.extensions.get("network_stream")])
            if not response.has_redirect_location:
                return
            # On the way to another host the library drops the authorization.
            before, request = request, response.next_request
            if request is None:
                raise RedirectedError("it redirects to what is no address")
            _drain(response)
            if self._stay and _origin(before.url) != _origin(request.url):
                self._elsewhere = str(request.url)
                return
        raise RedirectedError(f"it redirects more than {_MOST_REDIRECTS} times")

    def _batch(self, body: Iterator[bytes], enough: int) -> list[bytes]:
        """Return the next pieces of the body, together `enough` bytes or more; fewer before its end, none behind it."""
        if self._broken is not None:
            raise self._broken
        pieces, size = [], 0
        try:
            while size < enough and (piece := next(body, None)) is not None:
                pieces.append(piece)
                size += len(piece)
        except Exception as error:
            if not pieces:
                raise
            self._broken = error
        return pieces

    def _note_connection(self, _event: str, details: Mapping[str, Any]) -> None:
        """Keep in mind the connection that has just been made: before there are headers nothing else names it."""
        made = details.get("return_value")
        if hasattr(made, "get_extra_info"):
            self._connections.append(made)


def _origin(url: Any) -> tuple[str, str, int | None]:
    """Return what makes up the origin of an address of the HTTP library, which leaves out the usual port."""
    return url.scheme, url.host, url.port


def _drain(response: Any) -> None:
    size = 0
    for piece in response.iter_raw():
        size += len(piece)
        if size > _MOST_DRAINED:
            break
    response.close()


def _shut(connection: Any) -> None:
    """End what is being read from a connection; the thread that reads closes it."""
    with contextlib.suppress(Exception):
        # Not a TLS socket's own method, which takes its state away from under the thread that reads.
        socket.socket.shutdown(connection.get_extra_info("socket"), socket.SHUT_RDWR)
