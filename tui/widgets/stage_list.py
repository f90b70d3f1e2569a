"""The stages of a deployment, one line each: glyph and word, name, bar, what is going on, and for how long."""

from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from core.deployments.events import Stage
from core.quantities import format_bytes, format_duration
from tui.runs import DeploymentRun, StageLine
from tui.status_words import MUTED, in_cell, stage_status

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


class StageList(Static):
    """Shows how far a run is."""

    DEFAULT_CSS = "StageList { height: auto; padding: 0 2; }"

    def show(self, run: DeploymentRun, now: datetime, *, brief: bool = False) -> None:
        """Show the run as it is at `now` (UTC); `brief` leaves out what is done and what never began."""
        colours = self.app.theme_variables
        table = Table.grid(padding=(0, 1, 0, 0), expand=True)
        for width in (10, 8, _BAR_CELLS):
            table.add_column(width=width, no_wrap=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(width=6, no_wrap=True, justify="right")
        lines = [
            line for line in run.stages.values() if line.stage == "rollback" or line.word not in ("done", "waiting")
        ]
        for line in lines if brief and lines else run.stages.values():
            table.add_row(*_cells(line, now, colours))
        self.update(table)


def _cells(line: StageLine, now: datetime, colours: dict[str, str]) -> tuple[Text, ...]:
    glyph, word, colour = stage_status(line.word)
    title_colour = MUTED if line.word == "waiting" else "foreground"
    seconds = line.seconds(now)
    return (
        in_cell(f"{glyph} {word}", colour, colours),
        in_cell(TITLES[line.stage], title_colour, colours),
        in_cell(bar(line, now), colour if line.word != "waiting" else "border", colours),
        in_cell(stage_words(line), "foreground" if line.word == "running" else MUTED, colours),
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


def stage_words(line: StageLine) -> str:
    """Return what a stage is doing, with its bytes or files where they are counted."""
    if line.word != "running" or not line.total:
        return line.message
    if line.unit == "bytes":
        return f"{format_bytes(line.done or 0)} of {format_bytes(line.total)}"
    return f"{line.message} ({line.done or 0} of {line.total})"
