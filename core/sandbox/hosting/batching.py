"""Things taken without waiting and handed over in batches, by a thread of its own."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Batches(Generic[T]):
    """Gathers things for `pause` seconds and gives them to `send`, in the order they came; `send` must not raise.

    At most `most` things wait; what comes beyond is not taken.
    """

    def __init__(self, send: Callable[[list[T]], None], *, name: str, pause: float, most: int) -> None:
        self._send = send
        self._pause = pause
        self._most = most
        self._waiting: list[T] = []
        self._changed = threading.Condition()
        self._sending = False
        self._hurry = False
        self._closed = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def add(self, thing: T) -> bool:
        """Take one thing, without waiting; return whether there was room for it."""
        with self._changed:
            if len(self._waiting) >= self._most:
                return False
            self._waiting.append(thing)
            self._changed.notify_all()
            return True

    def flush(self, timeout: float) -> bool:
        """Wait until all that was taken is sent, for at most `timeout` seconds; return whether it is."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._waiting or self._sending), timeout)

    def close(self, timeout: float) -> None:
        """Send what is left, for at most `timeout` seconds, and end."""
        self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._closed:
                    self._changed.wait_for(lambda: self._hurry or self._closed, self._pause)
                if self._closed:
                    return
                self._hurry = False
                batch, self._waiting = self._waiting, []
                self._sending = True
            self._send(batch)
            with self._changed:
                self._sending = False
                self._changed.notify_all()
