"""The filters, sorting and pages of the List operations.

A page's token names the last thing shown, not a count, so that things made or deleted between two pages neither repeat
nor hide others.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from core.sandbox.hosting.errors import invalid

_PAGE: Final = 10  # what AWS shows when no MaxResults is given


@dataclass(frozen=True, slots=True)
class Listed:
    """One thing to list: what it is filtered and sorted by, and the summary that is shown."""

    name: str
    created: datetime
    summary: Mapping[str, Any]
    modified: datetime | None = None
    status: str = ""


def page(things: Iterable[Listed], request: Mapping[str, Any], member: str) -> dict[str, Any]:
    """Return the answer of a List operation: summaries under `member`, and `NextToken` when there are more.

    Raises:
        ApiError: the token is none of ours.
    """
    backwards = request.get("SortOrder", "Descending") == "Descending"
    places = sorted(((_place(thing, request), thing) for thing in things if _wanted(thing, request)), key=_first)
    if backwards:
        places.reverse()
    if token := request.get("NextToken"):
        last = _read_token(token, float if _sorted_by(request) == "CreationTime" else str)
        places = [found for found in places if (found[0] < last if backwards else found[0] > last)]
    size = request.get("MaxResults", _PAGE)
    answer: dict[str, Any] = {member: [thing.summary for _, thing in places[:size]]}
    if len(places) > size:
        answer["NextToken"] = _token(places[size - 1][0])
    return answer


def slice_page(things: Sequence[Any], request: Mapping[str, Any], member: str, *, size: int) -> dict[str, Any]:
    """Return one page of a list with a fixed order, told by position; `size` is the page without `MaxResults`.

    Raises:
        ApiError: the token is none of ours.
    """
    start = 0
    if token := request.get("NextToken"):
        start = max(0, _read_token(token, int)[0])
    end = start + request.get("MaxResults", size)
    answer: dict[str, Any] = {member: things[start:end]}
    if end < len(things):
        answer["NextToken"] = _token((end, ""))
    return answer


def _first(found: tuple[tuple[Any, str], Listed]) -> tuple[Any, str]:
    return found[0]


def _sorted_by(request: Mapping[str, Any]) -> str:
    return str(request.get("SortBy", "CreationTime"))


def _place(thing: Listed, request: Mapping[str, Any]) -> tuple[Any, str]:
    by = _sorted_by(request)
    if by == "Name":
        return thing.name, ""
    return (thing.status if by == "Status" else thing.created.timestamp()), thing.name


def _wanted(thing: Listed, request: Mapping[str, Any]) -> bool:
    modified = thing.modified or thing.created
    return (
        request.get("NameContains", "") in thing.name
        and request.get("StatusEquals", thing.status) == thing.status
        and thing.created > request.get("CreationTimeAfter", _before(thing.created))
        and thing.created < request.get("CreationTimeBefore", _after(thing.created))
        and modified > request.get("LastModifiedTimeAfter", _before(modified))
        and modified < request.get("LastModifiedTimeBefore", _after(modified))
    )


def _before(moment: datetime) -> datetime:
    return datetime.min.replace(tzinfo=moment.tzinfo)


def _after(moment: datetime) -> datetime:
    return datetime.max.replace(tzinfo=moment.tzinfo)


def _token(place: tuple[Any, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str, kind: type) -> tuple[Any, str]:
    """Return the place a token names; that of a list in another order has a value of another kind."""
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token.encode()))
        if isinstance(value, kind) and isinstance(name, str):
            return value, name
    except (ValueError, TypeError):
        pass
    raise invalid("Invalid pagination token.")
