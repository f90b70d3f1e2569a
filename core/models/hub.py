"""The one place that talks to the Hugging Face Hub: which questions it is asked. How is told by `hub_requests`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from core.cancellation import CancelToken
from core.models.hub_answer import HubAnswer
from core.models.hub_failures import nonsense
from core.models.hub_places import FilePlaces
from core.models.hub_requests import DEFAULT_ENDPOINT, HubRequests, Repository, named

__all__ = ["DEFAULT_ENDPOINT", "HubClient", "HubPage"]

_CHUNK: Final = 1 << 20
"""Bytes of a file that are taken at once."""
_INFO_BYTES: Final = 64 * 2**20
_PAGE_BYTES: Final = 8 * 2**20
_MODELS: Final = "/api/models"
_LONGEST_QUERY: Final = 8192
_MOST_SKIPPED: Final = 8 * 2**20
"""Bytes that may be read and dropped to reach a range, of a server that sends files from their beginning only."""
_PARTIAL: Final = 206
_NO_SUCH_RANGE: Final = 416  # it begins behind the file's end (RFC 9110 15.5.17)
_EXPIRED: Final = frozenset({400, 401, 403, 404, 410})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,20})-\d+/(?:\d+|\*)")
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HubPage:
    """One page of a listing of models, its rows as they came. `next` is the address of the one after it, if any."""

    rows: tuple[Any, ...]
    next: str | None = None


class HubClient(HubRequests):
    """Reads metadata and files of repositories on the Hub. Safe to use from several threads.

    Its settings are those of `HubRequests`.
    """

    def __init__(self, endpoint: str | None = None, token: str | None = None, **settings: Any) -> None:
        super().__init__(endpoint, token, **settings)
        self._places = FilePlaces()

    def model(self, repository: str, revision: str | None, cancel: CancelToken) -> Mapping[str, Any]:
        """Return the Hub's record of a model with its file listing, as its API spells it. One request.

        Raises:
            NotFoundError: there is no such model or revision.
            AccessError: it is gated or disabled, or the token is not accepted.
            UnreachableError: the Hub did not answer.
            SagewizardError: the answer makes no sense.
        """
        path = f"{_MODELS}/{quote(repository)}"
        if revision is not None:
            path += f"/revision/{quote(revision, safe='')}"
        about = Repository(repository, revision)
        found = _parsed(self._whole(f"{path}?blobs=true&securityStatus=true", about, _INFO_BYTES, cancel), about)
        if not isinstance(found, dict):
            raise nonsense(repository, "it is not a JSON object")
        return found

    def search(self, params: Sequence[tuple[str, str]], cancel: CancelToken) -> HubPage:
        """Return the first page of the models that fit `params`, query parameters of `GET /api/models`. One request.

        Raises:
            AccessError: the token is not accepted.
            UnreachableError: the Hub did not answer.
            SagewizardError: the Hub refused the request, or the answer makes no sense.
            CancelledByUser: stopping was asked for.
        """
        return self._listed(urlencode(params), cancel)

    def next_page(self, url: str, cancel: CancelToken) -> HubPage:
        """Return the page of a listing at `url`, as `HubPage.next` has it. One request.

        An address that is not one of this Hub's listings is not asked, and its page is empty.

        Raises:
            SagewizardError: as `search`.
        """
        query = self._query_of(url)
        return HubPage(()) if query is None else self._listed(query, cancel)

    def file(self, repository: str, revision: str, path: str, *, limit: int, cancel: CancelToken) -> bytes:
        """Return a whole small file of at most `limit` bytes. One request.

        Raises:
            SagewizardError: as `model`, or the file is larger than `limit`.
        """
        about = Repository(repository, revision)
        return self._whole(self._file_path(about, path), about, limit, cancel)

    def file_range(
        self, repository: str, revision: str, path: str, start: int, length: int, cancel: CancelToken
    ) -> bytes:
        """Return `length` bytes of a file from position `start` on; fewer at its end. One request.

        Of a server that ignores the range no more is read than what leads up to it.

        Raises:
            SagewizardError: as `model`; or the server sends something else than what was asked for, or would have to
                send too much of the file to get there.
        """
        if length <= 0:
            return b""
        about = Repository(repository, revision)
        # Compressed answers would make ranges and lengths those of other bytes.
        headers = {"accept-encoding": "identity", "range": f"bytes={start}-{start + length - 1}"}

        def take(answer: HubAnswer) -> bytes:
            return self._ranged(answer, about, start, length, cancel)

        return self.read(self._file_path(about, path), about, headers, take, cancel, good=frozenset({_NO_SUCH_RANGE}))

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
        """Give the bytes of a file from position `start` on, `length` of them at most (`None`: to its end).

        Opening is retried; what breaks while the bytes flow is the caller's to take up again (`interrupted`). A server
        that ignores the range is put up with: what comes before `start` is read and dropped. The many parts of a large
        file are asked for where the Hub sent the first one to, so that each costs one request.

        Raises:
            SagewizardError: as `model`.
        """
        about = Repository(repository, revision)
        end = "" if length is None else str(start + length - 1)
        headers = {"accept-encoding": "identity", **({"range": f"bytes={start}-{end}"} if start or end else {})}
        with self._file_answer(about, path, headers, cancel) as got:
            skip = start if start and got.status_code != _PARTIAL else 0
            pieces = _skipping(got.pieces(cancel, chunk=_CHUNK), skip)
            yield pieces if length is None else _first(pieces, length)

    @contextmanager
    def _file_answer(
        self, about: Repository, path: str, headers: Mapping[str, str], cancel: CancelToken
    ) -> Iterator[HubAnswer]:
        """Give the open answer for a file, from where it was found before, or else by way of the Hub."""
        wanted = self._file_path(about, path)
        place = self._places.find(wanted)
        with ExitStack() as stack:
            got: HubAnswer | None = None
            if place is not None:
                got = stack.enter_context(self.opened(wanted, about, headers, cancel, good=_EXPIRED, at=place))
                if got.status_code in _EXPIRED:  # such addresses are signed, and good for a while
                    self._places.forget(wanted)
                    stack.close()
                    got = None
            if got is None:
                got = stack.enter_context(self.opened(wanted, about, headers, cancel))
                if _origin(got.url) != _origin(self.endpoint):
                    self._places.note(wanted, got.url)
            yield got

    def _file_path(self, about: Repository, path: str) -> str:
        return f"/{quote(about.name)}/resolve/{quote(about.revision or 'main', safe='')}/{quote(path)}"

    def _whole(self, path: str, about: Repository, limit: int, cancel: CancelToken) -> bytes:
        """Return the body of an answer, asked for again when it breaks off."""
        return self.read(path, about, {}, lambda answer: self.body(answer, about, limit, cancel), cancel)

    def _listed(self, query: str, cancel: CancelToken) -> HubPage:
        def take(answer: HubAnswer) -> tuple[bytes, object]:
            # https://huggingface.co/docs/hub/api: the next page is that of the header `Link: <address>; rel="next"`.
            return self.body(answer, None, _PAGE_BYTES, cancel), answer.next_link

        body, following = self.read(f"{_MODELS}?{query}", None, {}, take, cancel)
        rows = _parsed(body, None)
        if not isinstance(rows, list):
            raise nonsense(named(None), "it is not a JSON list")
        asked = isinstance(following, str) and self._query_of(following)
        return HubPage(tuple(rows), f"{self.endpoint}{_MODELS}?{asked}" if asked else None)

    def _query_of(self, url: str) -> str | None:
        """Return the query of an address of this Hub's listing, `None` for any other: the token is for this Hub only.

        Only the query is used of what came, so that no two readings of an address can differ in whom it means.
        """
        listing = self.endpoint + _MODELS
        if len(url) > _LONGEST_QUERY or not url.isascii() or not url.isprintable():
            return None
        try:
            mine, found = urlsplit(listing), urlsplit(urljoin(listing, url))
            same = _place(mine) == _place(found) and found.username is None and found.password is None
        except ValueError:
            return None
        return found.query if same and found.query else None

    def _ranged(self, answer: HubAnswer, about: Repository, start: int, length: int, cancel: CancelToken) -> bytes:
        if answer.status_code == _NO_SUCH_RANGE:
            return b""
        skip = 0
        if answer.status_code == _PARTIAL:
            sent = _CONTENT_RANGE.fullmatch(str(answer.headers.get("content-range") or ""))
            if not sent or int(sent[1]) != start:
                raise nonsense(about.name, "it is another part of the file than the one asked for")
        elif start > _MOST_SKIPPED:
            raise nonsense(about.name, "parts of files are not sent by themselves")
        else:
            skip = start
        found = bytearray()
        for piece in _skipping(answer.pieces(cancel, seconds=self.longest), skip):
            found += piece[: length - len(found)]
            if len(found) == length:
                break
        return bytes(found)


def _parsed(body: bytes, about: Repository | None) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise nonsense(named(about), "it is not valid JSON") from error


def _place(url: SplitResult) -> tuple[str, str | None, int | None, str]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme), url.path


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _first(pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return


def _skipping(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:]
        skip = 0
