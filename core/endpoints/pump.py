"""Reading from a connection on a thread of its own, so that stopping does not wait for a silent other side.

Nothing can interrupt a blocked read in Python from outside. Here it is left behind: the caller goes on at once, and the
thread ends with the next thing it reads, at the latest with the connection's own time-out.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from core.cancellation import CancelToken

_LOOK_SECONDS: Final = 0.05
_AHEAD: Final = 64

_T = TypeVar("_T")


def pumped(make: Callable[[], Iterator[_T]], cancel: CancelToken) -> Iterator[_T]:
    """Yield what `make()` yields; both are called on another thread. What they raise is raised here.

    Raises:
        CancelledByUser: stopping was asked for.
    """
    cancel.check()
    came: queue.Queue[tuple[_T] | BaseException | None] = queue.Queue(_AHEAD)
    left = threading.Event()

    def give(item: tuple[_T] | BaseException | None) -> None:
        while not left.is_set():
            try:
                came.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for item in make():
                give((item,))
                if left.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again by the reader
            give(error)
        else:
            give(None)

    threading.Thread(target=read, name="endpoint-reader", daemon=True).start()
    try:
        while True:
            cancel.check()
            try:
                item = came.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        left.set()
