"""How the stand-in Hub answers `GET /api/models`: which models, in which order, which fields, page by page.

Query parameters are those that huggingface_hub's `list_models` sends.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode

_PAGE = 1000
_DATES = frozenset({"lastModified", "createdAt"})
_SORTS = _DATES | {"downloads", "likes", "trendingScore"}
_EXPANDABLE = frozenset(
    """author baseModels cardData childrenModelCount config createdAt disabled downloads downloadsAllTime evalResults
    gated gguf inference inferenceProviderMapping lastModified library_name likes mask_token model-index pipeline_tag
    private resourceGroup safetensors sha siblings spaces tags transformersInfo trendingScore usedStorage
    widgetData""".split()  # noqa: SIM905 - words to read
)
_UNASKED = ("likes", "private", "downloads", "tags", "pipeline_tag", "library_name", "createdAt")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_BOUND = re.compile(r"(min|max):([0-9.]+)([KMBT]?)")


class BadQueryError(Exception):
    """The Hub would answer this query with status 400."""


def listing(records: Sequence[Mapping[str, Any]], query: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return one page of the models that fit a query, and the query of the next page if there is one."""
    asked = parse_qs(query)
    expanded = asked.get("expand", [])
    sort, limit, cursor = _last(asked, "sort"), int(_last(asked, "limit") or _PAGE), int(_last(asked, "cursor") or 0)
    if unknown := set(expanded) - _EXPANDABLE:
        raise BadQueryError(f'"expand" must not be {sorted(unknown)}')
    if sort and sort not in _SORTS:
        raise BadQueryError(f'"sort" must not be {sort!r}')
    found = [record for record in records if _fits(record, asked)]
    key = sort or "trendingScore"
    least: Any = "" if key in _DATES else 0
    found.sort(key=lambda record: record.get(key) or least, reverse=True)
    page = [_row(record, expanded) for record in found[cursor : cursor + limit]]
    if cursor + limit >= len(found):
        return page, None
    return page, urlencode({**asked, "cursor": [str(cursor + limit)]}, doseq=True)


def _last(asked: Mapping[str, list[str]], name: str) -> str:
    return asked.get(name, [""])[-1]


def _fits(record: Mapping[str, Any], asked: Mapping[str, list[str]]) -> bool:
    if _last(asked, "search").lower() not in record["id"].lower():
        return False
    if (task := _last(asked, "pipeline_tag")) and record.get("pipeline_tag") != task:
        return False
    size = (record.get("safetensors") or {}).get("total")
    for bound in filter(None, _last(asked, "num_parameters").split(",")):
        match = _BOUND.fullmatch(bound)
        if not match:
            raise BadQueryError(f'"num_parameters" must not be {bound!r}')
        limit = Decimal(match[2]) * _UNITS[match[3]]
        if size is None or (size < limit if match[1] == "min" else size > limit):
            return False
    return True


def _row(record: Mapping[str, Any], expanded: Sequence[str]) -> dict[str, Any]:
    fields = {name: record[name] for name in expanded or _UNASKED if name in record}
    return {"id": record["id"], "modelId": record["id"], **fields}
