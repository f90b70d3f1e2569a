"""The list of instance types: cells are changed where they stand, and it is filled anew only when rows move."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from tui.status_words import in_cell
from tui.widgets.field import Field
from tui.widgets.steps.instance_rows import Cell, Column
from tui.widgets.steps.step import InstanceChosen


class CountBy(InstanceChosen):
    """The number of instances was changed by `by`."""

    def __init__(self, by: int) -> None:
        super().__init__()
        self.by = by


class Wanted(Message):
    """Something is asked of the step: by a key `filter`, `sort`, `formulas` or `link`, by a new size `columns`."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what


class InstanceTable(DataTable[Text]):
    """The instance types; Enter takes the one under the cursor and goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Continue", id="instance.continue", tooltip="Take this type and go on"),
        Binding("slash", "want('filter')", "Filter", id="instance.filter", tooltip="Narrow the list", key_display="/"),
        Binding("s", "want('sort')", "Sort", id="instance.sort", tooltip="Price, memory, GPUs, context, name"),
        Binding("f", "want('formulas')", "Formulas", id="instance.formulas", tooltip="Open this type's arithmetic"),
        Binding("y", "want('link')", "Copy link", id="instance.link", tooltip="Where more is asked for", show=False),
        Binding(
            "plus,equals_sign", "count(1)", "More", id="instance.more", tooltip="One instance more", key_display="+"
        ),
        Binding("minus", "count(-1)", "Fewer", id="instance.fewer", tooltip="One instance fewer", key_display="-"),
    ]

    def on_mount(self) -> None:
        """No columns and no rows yet."""
        self._laid: tuple[tuple[Column, ...], str] = ((), "")
        self._put: dict[str, tuple[Cell, ...]] = {}

    def on_resize(self) -> None:
        """Keep the cursor in view: a problem above takes rows away. How many columns have room is the step's matter."""
        self.move_cursor(row=self.cursor_row)
        self.post_message(Wanted("columns"))

    def action_count(self, by: int) -> None:
        """Change the number of instances."""
        self.post_message(CountBy(by))

    def action_want(self, what: str) -> None:
        """Say what is asked for."""
        self.post_message(Wanted(what))

    @property
    def name_at_cursor(self) -> str | None:
        """The type under the cursor; `None` while the list is empty."""
        names = list(self._put)
        return names[self.cursor_row] if 0 <= self.cursor_row < len(names) else None

    def show_types(
        self, columns: Sequence[Column], marked: str, rows: Mapping[str, tuple[Cell, ...]], at: str | None
    ) -> None:
        """Show these types, each with a cell for every column, with the cursor on the one called `at`.

        `marked` is the column that they are in the order of. Where `at` is not among them the cursor is on the first.
        """
        laid = (tuple(columns), marked)
        if laid == self._laid and list(rows) == list(self._put):
            self._change(columns, rows)
        else:
            self._fill(laid, rows)
        names = list(rows)
        if names:
            self.move_cursor(row=names.index(at) if at is not None and at in rows else 0)

    def _change(self, columns: Sequence[Column], rows: Mapping[str, tuple[Cell, ...]]) -> None:
        colours = self.app.theme_variables
        for name, cells in rows.items():
            for column, old, new in zip(columns, self._put[name], cells, strict=True):
                if old != new:
                    self.update_cell(name, column.name, in_cell(*new, colours))
        self._put = dict(rows)

    def _fill(self, laid: tuple[tuple[Column, ...], str], rows: Mapping[str, tuple[Cell, ...]]) -> None:
        colours = self.app.theme_variables
        columns, marked = laid
        self.clear(columns=laid != self._laid)
        if laid != self._laid:
            for column in columns:
                style = f"bold {colours.get('primary', '')}" if column.name == marked else ""
                self.add_column(Text(column.title, style=style), width=column.cells, key=column.name)
            self._laid = laid
        for name, cells in rows.items():
            self.add_row(*(in_cell(*cell, colours) for cell in cells), key=name)
        self._put = dict(rows)


class FilterField(Field):
    """Narrows the list as it is typed; Escape empties it and goes back to the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "leave", "To the list", id="filter.leave", tooltip="Back to the list, narrowed as it is"),
        Binding("escape", "empty", "Clear", id="filter.clear", tooltip="List all types again"),
    ]

    def action_leave(self) -> None:
        """Go to the list."""
        self.post_message(self.Submitted(self, self.value))

    def action_empty(self) -> None:
        """Show everything again, and go to the list."""
        self.value = ""
        self.action_leave()
