"""The body of a request that is made of pieces in memory, sent without being joined, and stopped in its midst."""

import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from itertools import accumulate
from typing import Final

from core.cancellation import CancelToken
from core.errors import CancelledByUser
from core.throttle import Throttle

Sent = Callable[[int], None]
"""Receives up to which position a body was handed out to be sent; from the beginning again when it is sent again."""
_TELLING_BYTES: Final = 2**18


class SendingStopped(CancelledError):  # noqa: N818 - not a failure, but raised like one
    """Stopping was asked for while a body was sent.

    Of its kind because botocore takes every other exception for a failure of the network: it would hide this one in an
    `HTTPClientError` and, after a pause, send the request again.
    """


class SentBody(io.RawIOBase):
    """A file to be read that consists of `pieces`, one after another. For one request, which may be sent again.

    Each reading waits for the throttle, as it is taken to be for sending. botocore reads a body for nothing else when
    it is told the body's size and checksum and does not sign the body (`Clients`); before it sends it once more, it
    seeks its beginning. `sent` receives the position that was reached, now and then.
    """

    def __init__(
        self,
        pieces: Sequence[bytes | memoryview],
        cancel: CancelToken,
        throttle: Throttle | None = None,
        sent: Sent | None = None,
    ) -> None:
        self._pieces = [memoryview(piece) for piece in pieces if len(piece)]
        self._ends = list(accumulate(map(len, self._pieces)))
        self._size = self._ends[-1] if self._ends else 0
        self._cancel = cancel
        self._throttle = throttle
        self._sent, self._told = sent, 0
        self._at = 0

    def __len__(self) -> int:
        """Return the size in bytes."""
        return self._size

    def __bool__(self) -> bool:
        """Return true: a body without bytes is one too."""
        return True

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte to be read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; those outside of the body become its beginning or its end."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, min(self._size, begin + offset))
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes; fewer at the end; all that are left when it is negative or `None`.

        Raises:
            SendingStopped: stopping was asked for.
        """
        left = self._size - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        try:
            self._cancel.check()
            if self._throttle is not None:
                self._throttle.take(wanted, self._cancel)
        except CancelledByUser as error:
            raise SendingStopped from error
        found = self._cut(self._at, self._at + wanted)
        self._at += wanted
        if self._sent is not None and (self._at - self._told >= _TELLING_BYTES or self._at == self._size):
            self._told = self._at
            self._sent(self._at)
        return found

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override] # no other buffer is used
        """Read as many bytes as the buffer takes; return their number."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _cut(self, start: int, stop: int) -> bytes:
        found = []
        number = bisect_right(self._ends, start)
        while start < stop:
            begin = self._ends[number] - len(self._pieces[number])
            piece = self._pieces[number][start - begin : stop - begin]
            found.append(piece)
            start += len(piece)
            number += 1
        return b"".join(found)
