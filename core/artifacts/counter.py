"""Counting how much of an artifact's bytes has passed, for whoever wants to be told."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock

from core.artifacts.tree import Member


@dataclass(frozen=True, slots=True)
class Passed:
    """How far it is: `done` of all the members' bytes, and the path of the file under way, empty where it is no one's.

    `of_file`: how many of its bytes are done and how many it has; `None` where that is not known.
    """

    done: int
    file: str = ""
    of_file: tuple[int, int] | None = None


def _tells_nothing(_passed: Passed) -> None:
    pass


class Counter:
    """Adds up bytes of the members from several threads and tells the sums.

    Bytes on their way are counted ahead, so that much is told of what takes long; that all is done only once it is.
    """

    def __init__(self, members: Iterable[Member], told: Callable[[Passed], None] = _tells_nothing) -> None:
        self._told = told
        self._sizes = {member.path: member.bytes for member in members}
        self._most = sum(self._sizes.values())
        self._lock = Lock()
        self._done = 0
        self._ahead: defaultdict[str, int] = defaultdict(int)
        self._all_ahead = 0
        self._of_files: defaultdict[str, int] = defaultdict(int)

    def ahead(self, count: int, file: str, *, with_others: bool = False) -> None:
        """Count `count` more bytes of `file`, or (`with_others`) of it and those after it, that are on their way."""
        with self._lock:
            self._ahead[file] += count
            self._all_ahead += count
            self._tell(count, file, with_others=with_others)

    def add(self, count: int, file: str = "", *, with_others: bool = False) -> None:
        """Count `count` more bytes as done, those that were counted ahead no more as that."""
        with self._lock:
            before = min(self._ahead[file], count)
            self._ahead[file] -= before
            self._all_ahead -= before
            self._done = min(self._done + count, self._most)
            self._tell(count - before, file, with_others=with_others)

    def _tell(self, more: int, file: str, *, with_others: bool) -> None:
        ahead = min(self._all_ahead, max(0, self._most - 1 - self._done))
        of_file = None
        if not with_others and file in self._sizes:
            self._of_files[file] = min(self._of_files[file] + more, self._sizes[file])
            of_file = self._of_files[file], self._sizes[file]
        self._told(Passed(self._done + ahead, file, of_file))


class Sending:
    """Counts ahead, of `count` bytes of members, the share of the `size` bytes of a body that were handed out.

    A body that is sent once more is not counted again.
    """

    def __init__(self, counter: Counter, count: int, size: int, file: str, *, with_others: bool = False) -> None:
        self._counter, self._count, self._size = counter, count, size
        self._file, self._with_others = file, with_others
        self._told = 0

    def __call__(self, position: int) -> None:
        """Take note that the body was handed out up to this position."""
        share = self._count * position // self._size if self._size else 0
        if share > self._told:
            self._counter.ahead(share - self._told, self._file, with_others=self._with_others)
            self._told = share
