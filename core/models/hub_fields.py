"""Single fields of the Hub's answers, read with suspicion: what is malformed counts as absent."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.errors import UsageError
from core.external_text import clean_line
from core.models.reference import HubReference, parse_reference
from core.models.safetensors_header import LARGEST_COUNT

_LONGEST_WORD: Final = 100
_LONGEST_MOMENT: Final = 40
_LIKE_A_NAME: Final = re.compile(r"[A-Za-z0-9_].{0,99}")  # and not like a path


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """Return a JSON list, an empty one in the place of anything else."""
    return value if isinstance(value, list) else []


def word(value: object) -> str | None:
    """Return a short text as one line that is safe to show, of at most 100 characters."""
    return (clean_line(value)[:_LONGEST_WORD].rstrip() or None) if isinstance(value, str) else None


def count(value: object) -> int | None:
    """Return a whole number of things: parameters, downloads, tokens, bytes."""
    return value if type(value) is int and 0 <= value <= LARGEST_COUNT else None


def moment(value: object) -> datetime | None:
    """Return a point in time in UTC. The Hub writes `2024-09-25T17:00:57.000Z`; one without a zone says nothing."""
    if not isinstance(value, str) or len(value) > _LONGEST_MOMENT:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def repository_name(value: object) -> str | None:
    """Return the name of a repository, if it is one that can be asked for."""
    if not isinstance(value, str) or not _LIKE_A_NAME.fullmatch(value):
        return None
    try:
        reference = parse_reference(value)
    except UsageError:
        return None
    return value if isinstance(reference, HubReference) and reference == HubReference(value) else None


def gate(value: object) -> str | None:
    """Return the Hub's word for the gate before a model (`auto`, `manual`); `None` when it is open."""
    return word(value)
