"""A table as wide as the screen: some columns of a fixed width, the others share what is left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text
from textual.widgets import DataTable

_SCROLL_BAR_CELLS: Final = 1
_LEAST_CELLS: Final = 4


@dataclass(frozen=True, slots=True)
class FittedColumn:
    """A column: its title, and its width in cells, or its share of the rest where `cells` is `None`."""

    title: str = ""
    cells: int | None = None
    share: int = 1


class FittedTable(DataTable[Text]):
    """Never wider than its room: cells that are longer end in an ellipsis."""

    DEFAULT_CSS = "FittedTable { overflow-x: hidden; }"

    def __init__(self, columns: Sequence[FittedColumn], *, id: str, show_header: bool = True) -> None:  # noqa: A002
        super().__init__(id=id, cursor_type="row", show_header=show_header)
        self._fitted = tuple(columns)
        self._shown: tuple[tuple[Text, ...], ...] = ()

    def on_mount(self) -> None:
        """Make the columns."""
        for column, width in zip(self._fitted, self._widths(), strict=True):
            self.add_column(column.title, width=width)

    def on_resize(self) -> None:
        """Share the width anew."""
        for column, width in zip(self.ordered_columns, self._widths(), strict=True):
            column.width = width
        self._put(self._shown)

    def show_rows(self, rows: Iterable[tuple[Text, ...]]) -> None:
        """Show these rows and no others; the cursor stays on its line."""
        self._put(tuple(rows))

    def _put(self, rows: tuple[tuple[Text, ...], ...]) -> None:
        at = self.cursor_row
        self._shown = rows
        self.clear()
        for row in rows:
            self.add_row(*row)
        if rows:
            self.move_cursor(row=min(at, len(rows) - 1))

    @property
    def room(self) -> int:
        """How many cells the columns without a width of their own have together."""
        padding = 2 * self.cell_padding * len(self._fitted)
        return self.size.width - _SCROLL_BAR_CELLS - padding - sum(column.cells or 0 for column in self._fitted)

    def _widths(self) -> list[int]:
        shares = sum(column.share for column in self._fitted if column.cells is None)
        return [
            column.cells or max(_LEAST_CELLS, self.room * column.share // max(1, shares)) for column in self._fitted
        ]
