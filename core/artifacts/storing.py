"""What the two ways to store an artifact in S3 share: what they tell, what they return, and requests under way."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, TypeVar

from core.artifacts.manifest import StoredFile
from core.aws.object_writing import ObjectWriter
from core.cancellation import CancelToken
from core.errors import SagewizardError

_T = TypeVar("_T")

IN_FLIGHT_BYTES: Final = 64 * 2**20
"""How much may be on its way to S3 at once, and so in memory; parts that are larger go one by one."""
MOST_REQUESTS: Final = 16
_TURN_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored: the objects by their names below the artifact's folder, and the SHA-256 (hex) of each member's
    content by path, where it has passed through this run or was known before.
    """

    objects: tuple[StoredFile, ...]
    content: Mapping[str, str] = field(default_factory=dict)


def blamed(items: Iterable[_T], unreadable: Callable[[], None]) -> Iterator[_T]:
    """Yield the items; `unreadable` is called before an error is raised while one is fetched: it is one of reading."""
    iterator = iter(items)
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            return
        except SagewizardError:
            unreadable()
            raise
        yield item


def upload_to_go_on_with(writer: ObjectWriter, key: str, left: Sequence[str], *, wanted: str | None = None) -> str:
    """Return one of the uploads that earlier runs left of a key: `wanted`, or the one with most in it; end the others.

    There are several when the answer to the beginning of one was lost: nothing is in that one.

    Raises:
        AccessError, UnreachableError, SagewizardError: S3 refused or did not answer.
    """
    chosen = wanted if wanted in left else None
    if chosen is None:
        there = {upload: sum(part.bytes for part in writer.parts(key, upload)) for upload in left if len(left) > 1}
        chosen = max(left, key=lambda upload: there.get(upload, 0))
    for other in left:
        if other != chosen:
            writer.abort(key, other)
    return chosen


class Requests:
    """Requests to S3 on threads of their own, bounded in number and in the bytes that they hold. Use it in a `with`.

    On the way out all of them are waited for; after an error `cancel` is set, which ends those that go on. The first
    error of a request is raised where the next one is handed in, or on the way out.
    """

    def __init__(self, cancel: CancelToken, *, in_flight_bytes: int = IN_FLIGHT_BYTES) -> None:
        self._cancel = cancel
        self._limit = in_flight_bytes
        self._pool = ThreadPoolExecutor(MOST_REQUESTS, thread_name_prefix="s3")
        self._under_way: deque[tuple[int, Future[object]]] = deque()
        self._held = 0

    def hand_in(self, call: Callable[[], _T], *, holds: int = 0) -> "Future[_T]":
        """Have `call` made by a thread and return its future; waits while too many bytes are held. `holds`: in bytes.

        Raises:
            SagewizardError: an earlier request failed.
            CancelledByUser: stopping was asked for.
        """
        self._settle(until=self._limit - holds)
        future = self._pool.submit(call)
        self._under_way.append((holds, future))  # type: ignore[arg-type] # only waited for
        self._held += holds
        return future

    def finish(self) -> None:
        """Return when all requests have been answered. Errors as `hand_in`."""
        while self._under_way:
            self._settle_one()

    def __enter__(self) -> "Requests":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        except BaseException:
            self._cancel.cancel()
            raise
        finally:
            if kind is not None:
                self._cancel.cancel()
            self._pool.shutdown(cancel_futures=True)

    def _settle(self, until: int) -> None:
        while self._under_way and (self._under_way[0][1].done() or self._held > max(until, 0)):
            self._settle_one()

    def _settle_one(self) -> None:
        held, future = self._under_way[0]
        while not wait([future], _TURN_SECONDS).done:
            self._cancel.check()
        self._under_way.popleft()
        self._held -= held
        future.result()
