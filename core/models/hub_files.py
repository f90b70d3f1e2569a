"""Reading files of a repository on the Hub: whole, a range of one, or as a stream."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import quote

from core.cancellation import CancelToken
from core.errors import SagewizardError
from core.models.hub_answer import HubAnswer
from core.models.hub_failures import nonsense
from core.models.hub_places import AT_THE_HUB, FilePlaces
from core.models.hub_requests import HubRequests, Repository

_BATCH: Final = 2**18
"""Bytes of a large file that are taken at once. Four times as many save little time, and take 4 MiB for each thread."""
_MOST_SKIPPED: Final = 8 * 2**20
"""Bytes that may be read and dropped to reach a range, of a server that sends files from their beginning only."""
_PARTIAL: Final = 206
_NO_SUCH_RANGE: Final = 416  # it begins behind the file's end (RFC 9110 15.5.17)
_EXPIRED: Final = frozenset({400, 401, 403, 404, 410})
"""What a signed address may answer that is good no more."""
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,20})-\d+/(?:\d+|\*)")
# Compressed answers would make ranges and lengths those of other bytes.
_AS_IT_IS: Final[Mapping[str, str]] = {"accept-encoding": "identity"}


class HubFiles(HubRequests):
    """Reads files of repositories on the Hub. Safe to use from several threads."""

    def __init__(self, endpoint: str | None = None, token: str | None = None, **settings: Any) -> None:
        super().__init__(endpoint, token, **settings)
        self._places = FilePlaces()

    def file(self, repository: str, revision: str, path: str, *, limit: int, cancel: CancelToken) -> bytes:
        """Return a whole small file of at most `limit` bytes. One request.

        Raises:
            SagewizardError: as `opened`, or the file is larger than `limit`.
        """
        about = Repository(repository, revision)
        return self._whole(_path(about, path), about, limit, cancel)

    def file_range(
        self, repository: str, revision: str, path: str, start: int, length: int, cancel: CancelToken
    ) -> bytes:
        """Return `length` bytes of a file from position `start` on; fewer at its end. One request.

        Of a server that ignores the range no more is read than what leads up to it.

        Raises:
            SagewizardError: as `opened`; or the server sends something else than what was asked for, or would have to
                send too much of the file to get there.
        """
        if length <= 0:
            return b""
        about = Repository(repository, revision)

        def take(answer: HubAnswer) -> bytes:
            return self._ranged(answer, about, start, length, cancel)

        headers = {**_AS_IT_IS, **_range(start, length)}
        return self.read(_path(about, path), about, headers, take, cancel, good=frozenset({_NO_SUCH_RANGE}))

    @contextmanager
    def stream(
        self,
        repository: str,
        revision: str,
        path: str,
        *,
        start: int,
        length: int | None = None,
        cancel: CancelToken,
    ) -> Iterator[Iterator[bytes]]:
        """Give the bytes of a file from position `start` on, `length` of them at most (at least 1; `None`: to its end).

        Opening is retried; what breaks while the bytes flow is the caller's to take up again (`interrupted`). A server
        that ignores the range is put up with: what comes before `start` is read and dropped, 8 MiB of it at most when
        there is a `length`. Where the Hub keeps the file is asked once in ten minutes, not for each part.

        Raises:
            SagewizardError: as `opened`; or the server sends another part than the one asked for, or too much before.
        """
        about = Repository(repository, revision)
        with self._file_answer(about, path, start, length, cancel) as got:
            partial = got.status_code == _PARTIAL
            if partial and _sent_from(got) != start:
                raise _another_part(about)
            skip = 0 if partial else start
            if length is not None and skip > _MOST_SKIPPED:
                raise _no_parts(about)
            pieces = _skipping(got.pieces(cancel, batch=_BATCH), skip)
            yield pieces if length is None else _first(pieces, length, to_its_end=partial)

    @contextmanager
    def _file_answer(
        self, about: Repository, path: str, start: int, length: int | None, cancel: CancelToken
    ) -> Iterator[HubAnswer]:
        """Give the open answer for a part of a file."""
        wanted = _path(about, path)
        headers = {**_AS_IT_IS, **_range(start, length)}
        with ExitStack() as stack:
            for last in (False, True):
                got = self._answer_from_its_place(stack, wanted, about, headers, start, cancel, last=last)
                if got is not None:
                    break
            assert got is not None  # noqa: S101 - the last attempt raises
            yield got

    def _answer_from_its_place(
        self,
        stack: ExitStack,
        wanted: str,
        about: Repository,
        headers: Mapping[str, str],
        start: int,
        cancel: CancelToken,
        *,
        last: bool,
    ) -> HubAnswer | None:
        """Return the answer from where the file is; `None` when that address is refused, and it is not the `last` try.

        Of many threads that do not know the place, one asks the Hub.
        """
        place = self._places.find(wanted)
        if place is None:
            with self._places.turn(wanted, cancel):
                place = self._places.find(wanted)
                if place is None:
                    # Asked without a range: an address may be signed for the range that it was asked with.
                    got = stack.enter_context(self.opened(wanted, about, _AS_IT_IS, cancel, stay=True))
                    place = got.elsewhere or AT_THE_HUB
                    self._places.note(wanted, place)
                    if place == AT_THE_HUB and not start:
                        return got
                    stack.close()
        good = frozenset[int]() if last or place == AT_THE_HUB else _EXPIRED
        try:
            got = stack.enter_context(self.opened(wanted, about, headers, cancel, good=good, at=place or None))
        except SagewizardError:
            self._places.forget(wanted, place)
            raise
        if got.status_code not in good:
            return got
        stack.close()
        self._places.forget(wanted, place)
        return None

    def _whole(self, path: str, about: Repository, limit: int, cancel: CancelToken) -> bytes:
        """Return the body of an answer, asked for again when it breaks off."""
        return self.read(path, about, {}, lambda answer: self.body(answer, about, limit, cancel), cancel)

    def _ranged(self, answer: HubAnswer, about: Repository, start: int, length: int, cancel: CancelToken) -> bytes:
        if answer.status_code == _NO_SUCH_RANGE:
            return b""
        skip = 0
        if answer.status_code == _PARTIAL:
            if _sent_from(answer) != start:
                raise _another_part(about)
        elif start > _MOST_SKIPPED:
            raise _no_parts(about)
        else:
            skip = start
        return b"".join(_first(_skipping(answer.pieces(cancel, seconds=self.longest), skip), length))


def _path(about: Repository, path: str) -> str:
    return f"/{quote(about.name)}/resolve/{quote(about.revision or 'main', safe='')}/{quote(path)}"


def _range(start: int, length: int | None) -> Mapping[str, str]:
    """Return the header that asks for a part (RFC 9110 14.2), none for the whole file."""
    if length is None:
        return {"range": f"bytes={start}-"} if start else {}
    return {"range": f"bytes={start}-{start + length - 1}"}


def _sent_from(answer: HubAnswer) -> int | None:
    """Return the position at which the part that was sent begins; `None` when the answer does not say."""
    sent = _CONTENT_RANGE.fullmatch(str(answer.headers.get("content-range") or ""))
    return int(sent[1]) if sent else None


def _another_part(about: Repository) -> SagewizardError:
    return nonsense(about.name, "it is another part of the file than the one asked for")


def _no_parts(about: Repository) -> SagewizardError:
    return nonsense(about.name, "parts of files are not sent by themselves")


def _first(pieces: Iterator[bytes], length: int, *, to_its_end: bool = False) -> Iterator[bytes]:
    """Yield `length` bytes. `to_its_end`: they should be all, and only a connection read to the end is used again."""
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            break
    if to_its_end:
        next(pieces, None)


def _skipping(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:]
        skip = 0
