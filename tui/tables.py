"""Tables as plain text: aligned columns, numbers to the right, cut to the terminal's width where there is one."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.external_text import clean_line
from tui.output import styled

_GAP: Final = "  "
_NARROWEST: Final = 8
"""Columns are never cut below this many characters."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and whether its cells are numbers."""

    title: str
    number: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, bold: int | None = None) -> str:
    """Return the rows under their headings; the row numbered `bold` stands out where colours may be used."""
    cells = [[clean_line(cell) for cell in row] for row in rows]
    widths = _widths([[column.title for column in columns], *cells], _width_to_keep())
    lines = [styled(_line([column.title for column in columns], columns, widths), dim=True)]
    for number, row in enumerate(cells):
        line = _line(row, columns, widths)
        lines.append(styled(line, bold=True) if number == bold else line)
    return "\n".join(lines)


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Return names and their values, one a line, the values aligned."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{styled(name.ljust(width), dim=True)}{_GAP}{clean_line(value)}" for name, value in rows)


def _width_to_keep() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _widths(rows: Sequence[Sequence[str]], room: int | None) -> list[int]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    if room is None:
        return widths
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    while over > 0 and (widest := max(widths)) > _NARROWEST:
        place = widths.index(widest)
        widths[place] -= 1
        over -= 1
    return widths


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    placed = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = cell if len(cell) <= width else f"{cell[: width - 1]}…"
        placed.append(text.rjust(width) if column.number else text.ljust(width))
    return _GAP.join(placed).rstrip()
