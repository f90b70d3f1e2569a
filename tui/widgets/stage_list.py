"""The stages of a deployment, one line each: glyph and word, name, bar, what is going on, and for how long."""

from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from core.deployments.events import Stage
from core.quantities import format_duration
from tui.runs import DeploymentRun, StageLine
from tui.status_words import MUTED, in_cell, stage_status
from tui.transfer_words import amount_words, transfer_words

TITLES: Final[dict[Stage, str]] = {
    "inspect": "Inspect",
    "package": "Package",
    "upload": "Upload",
    "role": "Role",
    "model": "Model",
    "endpoint_config": "Config",
    "endpoint": "Endpoint",
    "ready": "Ready",
    "rollback": "Undo",
    "delete": "Delete",
}
_BAR_CELLS: Final = 14
_PULSE_CELLS: Final = 4
_STATUS_CELLS: Final = 10
_TITLE_CELLS: Final = 8
_TIME_CELLS: Final = 6
_PADDING: Final = 2
"""Cells on either side of the list; between its columns there is one."""


class StageList(Static):
    """Shows how far a run is."""

    DEFAULT_CSS = "StageList { height: auto; padding: 0 2; }"

    def show(self, run: DeploymentRun, now: datetime, *, brief: bool = False) -> None:
        """Show the run as it is at `now` (UTC); `brief` leaves out what is done and what never began."""
        colours = self.app.theme_variables
        table = Table.grid(padding=(0, 1, 0, 0), expand=True)
        fixed = (_STATUS_CELLS, _TITLE_CELLS, _BAR_CELLS)
        for width in fixed:
            table.add_column(width=width, no_wrap=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(width=_TIME_CELLS, no_wrap=True, justify="right")
        width = self.size.width or self.screen.size.width - 2 * _PADDING  # before it is laid out it has none
        room = width - sum(fixed) - _TIME_CELLS - len(fixed) - 1
        lines = [
            line for line in run.stages.values() if line.stage == "rollback" or line.word not in ("done", "waiting")
        ]
        for line in lines if brief and lines else run.stages.values():
            table.add_row(*_cells(line, now, colours, room))
        self.update(table)


def _cells(line: StageLine, now: datetime, colours: dict[str, str], room: int) -> tuple[Text, ...]:
    glyph, word, colour = stage_status(line.word)
    title_colour = MUTED if line.word == "waiting" else "foreground"
    seconds = line.seconds(now)
    return (
        in_cell(f"{glyph} {word}", colour, colours),
        in_cell(TITLES[line.stage], title_colour, colours),
        in_cell(bar(line, now), colour if line.word != "waiting" else "border", colours),
        in_cell(stage_words(line, room), "foreground" if line.word == "running" else MUTED, colours),
        in_cell("" if seconds is None else format_duration(seconds), MUTED, colours),
    )


def bar(line: StageLine, now: datetime) -> str:
    """Return the bar: how much is done, or a mark that moves once a second where nobody knows."""
    fraction = line.fraction
    if fraction is not None:
        full = round(fraction * _BAR_CELLS)
        return "━" * full + "╌" * (_BAR_CELLS - full)
    if line.word != "running":
        return "╌" * _BAR_CELLS
    at = int(line.seconds(now) or 0) % (_BAR_CELLS - _PULSE_CELLS + 1)
    return "╌" * at + "━" * _PULSE_CELLS + "╌" * (_BAR_CELLS - _PULSE_CELLS - at)


def stage_words(line: StageLine, cells: int) -> str:
    """Return what a stage is doing; where bytes are counted, what is known of the transfer and fits."""
    if line.word != "running" or not line.total:
        return line.message
    if line.unit == "bytes":
        return transfer_words(line, cells)
    return f"{line.message} ({amount_words(line)})"
