"""How states look on screen: always a glyph and a word, so that colour is never the only difference."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.content import Content

if TYPE_CHECKING:
    from tui.runs import RunWord, StageWord

MUTED: Final = "quiet"

_ENDPOINT: Final[dict[str, tuple[str, str, str]]] = {
    "Creating": ("◐", "creating", "accent"),
    "InService": ("●", "in service", "success"),
    "Updating": ("◐", "updating", "accent"),
    "SystemUpdating": ("◐", "system update", "accent"),
    "RollingBack": ("◐", "rolling back", "accent"),
    "Deleting": ("◌", "deleting", MUTED),
    "OutOfService": ("○", "out of service", MUTED),
    "UpdateRollbackFailed": ("✗", "rollback failed", "error"),
    "Failed": ("✗", "failed", "error"),
}
_STAGE: Final[dict["StageWord", tuple[str, str, str]]] = {
    "waiting": ("·", "waiting", MUTED),
    "running": ("◐", "running", "accent"),
    "done": ("✓", "done", "success"),
    "failed": ("✗", "failed", "error"),
    "stopped": ("■", "stopped", MUTED),
}
_RUN: Final[dict["RunWord", tuple[str, str, str]]] = {
    "running": ("◐", "deploying", "accent"),
    "cancelling": ("◌", "stopping", "accent"),
    "ready": ("●", "in service", "success"),
    "failed": ("✗", "failed", "error"),
    "cancelled": ("■", "stopped as asked", MUTED),
}


def endpoint_status(status: str) -> tuple[str, str, str]:
    """Return glyph, word and the theme's word for the colour of an endpoint's status, as the API spells it."""
    return _ENDPOINT.get(status, ("?", status, MUTED))


def stage_status(word: "StageWord") -> tuple[str, str, str]:
    """Return glyph, word and the theme's word for the colour of a stage."""
    return _STAGE[word]


def run_status(word: "RunWord") -> tuple[str, str, str]:
    """Return glyph, word and the theme's word for the colour of a run."""
    return _RUN[word]


def in_colour(text: str, colour: str) -> Content:
    """Return the text in a colour of the theme, for any widget but a table."""
    return Content.styled(text, f"${colour}")


def in_cell(text: str, colour: str, variables: Mapping[str, str]) -> Text:
    """Return the text for a cell of a table; `variables` are the theme's. Tables take rich's `Text` only."""
    return Text(text, style=variables.get(colour, ""), no_wrap=True, overflow="ellipsis")
