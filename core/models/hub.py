"""The one place that talks to the Hugging Face Hub: which questions it is asked.

How is told by `hub_requests`; its files are read by `hub_files`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from core.cancellation import CancelToken
from core.models.hub_answer import HubAnswer
from core.models.hub_failures import nonsense
from core.models.hub_files import HubFiles
from core.models.hub_requests import DEFAULT_ENDPOINT, Repository, named

__all__ = ["DEFAULT_ENDPOINT", "HubClient", "HubPage"]

_INFO_BYTES: Final = 64 * 2**20
_PAGE_BYTES: Final = 8 * 2**20
_MODELS: Final = "/api/models"
_LONGEST_QUERY: Final = 8192
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HubPage:
    """One page of a listing of models, its rows as they came. `next` is the address of the one after it, if any."""

    rows: tuple[Any, ...]
    next: str | None = None


class HubClient(HubFiles):
    """Reads metadata and files of repositories on the Hub. Safe to use from several threads.

    Its settings are those of `HubRequests`.
    """

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


def _parsed(body: bytes, about: Repository | None) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise nonsense(named(about), "it is not valid JSON") from error


def _place(url: SplitResult) -> tuple[str, str | None, int | None, str]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme), url.path
