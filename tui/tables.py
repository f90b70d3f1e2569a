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
    """A column's heading, and whether its cells are numbers.

    Where the terminal is too narrow, columns with the highest `spare` are left out first; one that is `whole` is never
    cut.
    """

    title: str
    number: bool = False
    whole: bool = False
    spare: int = 0


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, bold: int | None = None) -> str:
    """Return the rows under their headings; the row numbered `bold` stands out where colours may be used."""
    room = _width_to_keep()
    kept = _kept(columns, rows, room)
    columns = [columns[place] for place in kept]
    cells = [[clean_line(row[place]) for place in kept] for row in rows]
    widths = _widths(columns, cells, room)
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


def _kept(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None) -> list[int]:
    """Return the places of the columns that have room, each with its longest cell but for the last."""
    kept = list(range(len(columns)))
    if room is None:
        return kept
    widths = [max([len(column.title), *(len(row[place]) for row in rows)]) for place, column in enumerate(columns)]
    while (spared := max(kept, key=lambda place: columns[place].spare)) and columns[spared].spare:
        # What comes last and may be cut is not what others make room for.
        needed = [widths[place] if columns[place].whole or columns[place].spare else _NARROWEST for place in kept]
        if sum(needed) + len(_GAP) * (len(kept) - 1) <= room:
            break
        kept.remove(spared)
    return kept


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None) -> list[int]:
    widths = [max([len(column.title), *(len(row[place]) for row in rows)]) for place, column in enumerate(columns)]
    if room is None:
        return widths
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    while over > 0:
        places = [place for place, column in enumerate(columns) if not column.whole and widths[place] > _NARROWEST]
        if not places:
            break
        widths[max(places, key=lambda place: widths[place])] -= 1
        over -= 1
    return widths


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    placed = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = cell if len(cell) <= width else f"{cell[: width - 1]}…"
        placed.append(text.rjust(width) if column.number else text.ljust(width))
    return _GAP.join(placed).rstrip()
