"""Bars with their numbers under each other: how a whole is shared out, or how full something is.

Parts differ by glyph as well as by colour, and words say what they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

BAR_CELLS: Final = 20
FULL: Final = "━"
REST: Final = "╌"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar: how much it is (in any unit, the same for all parts), its glyph and its theme colour."""

    amount: float
    glyph: str
    colour: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One line: what it is of, the parts of the bar (none: words only), its words, and their theme colour."""

    label: str
    parts: tuple[Part, ...]
    words: str
    colour: str = ""


class BarList(Static):
    """Shows bars in aligned columns; long words wrap within their column."""

    DEFAULT_CSS = "BarList { height: auto; }"

    def __init__(self, *, id: str, label_cells: int) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._label_cells = label_cells
        self.bars: tuple[Bar, ...] = ()

    def show(self, bars: Iterable[Bar]) -> None:
        """Show these bars, and nothing else."""
        self.bars = tuple(bars)
        colours = self.app.theme_variables
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, width=self._label_cells)
        table.add_column(ratio=1)
        for bar in self.bars:
            words = Text(bar.words, style=colours.get(bar.colour, ""))
            value: Text | Table = words
            if bar.parts:
                value = Table.grid(padding=(0, 1, 0, 0), expand=True)
                value.add_column(no_wrap=True, width=BAR_CELLS)
                value.add_column(ratio=1)
                drawn = [
                    (part.glyph * cells, colours.get(part.colour, ""))
                    for part, cells in zip(bar.parts, shared_out([part.amount for part in bar.parts]), strict=True)
                ]
                value.add_row(Text.assemble(*drawn, no_wrap=True), words)
            table.add_row(Text(bar.label, style=colours.get("quiet", "")), value)
        self.update(table)


def shared_out(amounts: Sequence[float], cells: int = BAR_CELLS) -> tuple[int, ...]:
    """Return how many of `cells` each amount gets; at least one where it is anything at all."""
    whole = sum(amounts)
    if whole <= 0:
        return tuple(0 for _ in amounts)
    shares = [max(1, round(cells * amount / whole)) if amount > 0 else 0 for amount in amounts]
    largest = shares.index(max(shares))
    shares[largest] += cells - sum(shares)  # rounding is made up for where it shows least
    return tuple(shares)
