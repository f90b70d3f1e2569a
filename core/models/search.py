"""Looks for models on the Hub: by words, task, number of parameters; the most popular when nothing is said.

Parameters are spelled as huggingface_hub's `list_models` sends them to `GET /api/models`. What comes back is a list of
what others wrote: rows that cannot be used are skipped, fields that make no sense count as absent.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from core.cancellation import CancelToken
from core.errors import UsageError
from core.external_text import clean_line
from core.models.hub import HubClient, HubPage
from core.models.hub_fields import count, gate, mapping, moment, repository_name, word
from core.models.safetensors_header import LARGEST_COUNT, parameters_from_counts

PAGE_SIZE: Final = 20
"""Models on a page, at most."""
Sort = Literal["downloads", "likes", "trending"]

# Names on the wire: `ModelSort_T` and `ExpandModelProperty_T` of huggingface_hub's hf_api, `list_models`.
_SORTS: Final[dict[Sort, str]] = {"downloads": "downloads", "likes": "likes", "trending": "trendingScore"}
_EXPANDED: Final = (
    "pipeline_tag",
    "library_name",
    "safetensors",
    "gguf",
    "downloads",
    "likes",
    "lastModified",
    "gated",
    "private",
)
_LONGEST_TEXT: Final = 200
_TASK: Final = re.compile(r"[a-z0-9-]{1,60}")
_SIZE: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,12})?)\s*([KMBT]?)", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is looked for. `smallest` and `largest` count parameters; both are inclusive, and `None` sets no bound.

    With a bound, models whose parameters the Hub does not know are not found.
    """

    text: str = ""
    task: str | None = None
    smallest: int | None = None
    largest: int | None = None
    sort: Sort = "downloads"


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model as a listing shows it. `parameters` is of the checkpoint; `downloads` are those of the last 30 days."""

    repository: str
    task: str | None
    library: str | None
    parameters: int | None
    downloads: int | None
    likes: int | None
    last_modified: datetime | None
    gated: str | None
    private: bool


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of what was found. `next` is where the page after it is, `None` on the last one.

    `seen` are the names on this page and those before it.
    """

    models: tuple[FoundModel, ...]
    next: str | None
    seen: frozenset[str] = field(default=frozenset(), repr=False)


def search_models(query: SearchQuery, hub: HubClient, cancel: CancelToken) -> SearchPage:
    """Return the first page of the models that `query` describes. One request.

    Raises:
        UsageError: the query makes no sense.
        AccessError: the token is not accepted.
        UnreachableError: the Hub did not answer.
        SagewizardError: the Hub refused the request, or its answer makes no sense.
        CancelledByUser: stopping was asked for.
    """
    return _page(hub.search(_parameters(query), cancel), frozenset())


def more_models(page: SearchPage, hub: HubClient, cancel: CancelToken) -> SearchPage:
    """Return the page after `page`, without what was on the pages before; an empty one after the last. One request.

    Raises:
        SagewizardError: as `search_models`.
    """
    if page.next is None:
        return SearchPage((), None, page.seen)
    return _page(hub.next_page(page.next, cancel), page.seen)


def parse_size(text: str) -> int:
    """Return the number of parameters that `text` spells: `7B`, `1.5b`, `500M`, `125000000`.

    Raises:
        UsageError: it is no such number.
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(Decimal(found[1]) * _UNITS[found[2].upper()]) if found else -1
    if not 0 <= size <= LARGEST_COUNT:
        raise UsageError(
            f"“{clean_line(text)[:40]}” is no number of parameters.",
            fix="Write a number with K, M, B or T for thousands, millions and so on: 500M, 7B, 1.5B.",
        )
    return size


def _parameters(query: SearchQuery) -> list[tuple[str, str]]:
    bounds = [
        f"{name}:{_spelled(size)}"
        for name, size in (("min", query.smallest), ("max", query.largest))
        if size is not None
    ]
    if query.smallest is not None and query.largest is not None and query.smallest > query.largest:
        raise UsageError(
            f"No model has at least {query.smallest:,} and at most {query.largest:,} parameters.",
            fix="Let the smallest size be below the largest.",
        )
    if query.task is not None and not _TASK.fullmatch(query.task):
        raise UsageError(
            f"“{clean_line(query.task)[:60]}” is no task of the Hub.",
            fix="Tasks are written in small letters with hyphens, such as text-generation.",
        )
    # What Python makes of bytes that are not UTF-8 cannot be sent.
    text = clean_line(query.text).encode(errors="replace").decode()[:_LONGEST_TEXT].strip()
    asked = [("search", text), ("pipeline_tag", query.task or ""), ("num_parameters", ",".join(bounds))]
    return [
        *((name, value) for name, value in asked if value),
        ("sort", _SORTS[query.sort]),
        ("limit", str(PAGE_SIZE)),
        *(("expand", name) for name in _EXPANDED),
    ]


def _spelled(size: int) -> str:
    """Return a number of parameters in whole thousands, millions or billions if it is such: the Hub's own spelling."""
    for unit in ("B", "M", "K"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(max(size, 0))


def _page(page: HubPage, seen: frozenset[str]) -> SearchPage:
    # Popularity moves while people turn pages: what slid down from the page before is not shown again.
    models = tuple({model.repository: model for model in _found(page.rows) if model.repository not in seen}.values())
    models = models[:PAGE_SIZE]
    return SearchPage(models, page.next, seen | {model.repository for model in models})


def _stored(summary: Mapping[str, Any]) -> int | None:
    """Return what a checkpoint holds, without the masks and counters beside its parameters where those are floats."""
    counts = parameters_from_counts(summary.get("parameters"))
    if counts is not None and 2 * counts.floating > counts.total:
        return counts.floating
    return count(summary.get("total"))


def _found(rows: Sequence[object]) -> Iterator[FoundModel]:
    for row in map(mapping, rows):
        if name := repository_name(row.get("id")):
            stored = _stored(mapping(row.get("safetensors")))
            yield FoundModel(
                repository=name,
                task=word(row.get("pipeline_tag")),
                library=word(row.get("library_name")),
                parameters=count(mapping(row.get("gguf")).get("total")) if stored is None else stored,
                downloads=count(row.get("downloads")),
                likes=count(row.get("likes")),
                last_modified=moment(row.get("lastModified")),
                gated=gate(row.get("gated")),
                private=row.get("private") is True,
            )
