"""The table of what was found: models on the Hub, or places where models may be."""

from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from core.models.local_places import Place
from core.models.reference import SAMPLE
from core.models.search import FoundModel
from core.quantities import format_count
from tui.status_words import MUTED, in_cell
from tui.widgets.fitted_table import FittedColumn, FittedTable

Found = FoundModel | Place
_NAME: Final = FittedColumn("Model")
_NUMBERS: Final = 6
# The columns beside the name, the one that is given up last first.
_MODEL_COLUMNS: Final = (
    FittedColumn("  Size", _NUMBERS),
    FittedColumn("Task", 18),
    FittedColumn(" Downl.", 7),
    FittedColumn(" Likes", _NUMBERS),
)
_PLACE_COLUMNS: Final = (FittedColumn("Place"), FittedColumn("", 24))
_LEAST_NAME_CELLS: Final = 20
_PADDING: Final = 2
_SCROLL_BAR_CELLS: Final = 1


class ModelResults(FittedTable):
    """What was found. The cursor is on the first row before anybody goes there; a last row stands for what follows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Take it", id="model.take", tooltip="Take this model; open this folder"),
        Binding("tab", "complete", show=False, id="model.open", tooltip="Open this folder"),
        Binding("up", "up", show=False, id="model.up", tooltip="One row up; from the first back to the field"),
    ]

    class Left(Message):
        """The cursor went up from the first row."""

    class More(Message):
        """The cursor came to the row that stands for what follows."""

    class Noticed(Message):
        """Another row is under the cursor."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__((_NAME,), id=id)
        self.found: tuple[Found, ...] = ()
        self.more = False

    def show_found(self, found: tuple[Found, ...], *, more: bool, go_on: bool = False) -> None:
        """Show these rows; `more` adds the one that stands for what follows, `go_on` leaves the cursor where it is."""
        self.found, self.more = found, more
        if not go_on:
            self.move_cursor(row=0)
        self._refit()
        self.show_rows(self._rows())
        self.post_message(self.Noticed())

    @property
    def at_cursor(self) -> Found | None:
        """What is under the cursor; `None` on the row that stands for what follows, and when nothing was found."""
        return self.found[self.cursor_row] if 0 <= self.cursor_row < len(self.found) else None

    @property
    def at_more(self) -> bool:
        """Whether the cursor is on the row that stands for what follows."""
        return self.more and self.cursor_row == len(self.found)

    def on_resize(self) -> None:
        """Which columns have room depends on the width."""
        self._refit()
        self._shown = self._rows()  # what the base class puts in again

    def _refit(self) -> None:
        columns = _columns(self.found, self.size.width)
        if columns != self._fitted:
            self._fitted, self._shown = columns, ()
            at = self.cursor_row
            self.clear(columns=True)
            self.on_mount()
            self._shown = self._rows()
            self._put(self._shown)
            self.move_cursor(row=at)

    def _rows(self) -> tuple[tuple[Text, ...], ...]:
        rows = [self._cells(row) for row in self.found]
        if self.more:
            words = in_cell("more …", MUTED, self.app.theme_variables)
            rows.append((words, *(Text() for _ in self._fitted[1:])))
        return tuple(rows)

    def _cells(self, row: Found) -> tuple[Text, ...]:
        colours = self.app.theme_variables
        if isinstance(row, Place):
            words, colour = _place_words(row)
            return in_cell(row.name, "foreground", colours), in_cell(words, colour, colours)
        cells = {
            "Model": in_cell(row.repository, "foreground", colours),
            "  Size": _number(row.parameters, _NUMBERS),
            "Task": in_cell(row.task or "–", MUTED, colours),
            " Downl.": _number(row.downloads, 7),
            " Likes": _number(row.likes, _NUMBERS),
        }
        return tuple(cells[column.title] for column in self._fitted)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tab goes to the next field, unless there is a place to open."""
        if action == "complete":
            return isinstance(self.at_cursor, Place)
        return super().check_action(action, parameters)

    def action_complete(self) -> None:
        """Take what is under the cursor, as Enter does."""
        self.action_select_cursor()

    def action_up(self) -> None:
        """Go up a row; from the first one out of the table."""
        if self.cursor_row > 0:
            self.action_cursor_up()
        else:
            self.post_message(self.Left())

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Tell what the cursor came to."""
        event.stop()
        self.post_message(self.Noticed())
        if self.has_focus and self.at_more:
            self.post_message(self.More())


def _columns(found: tuple[Found, ...], width: int) -> tuple[FittedColumn, ...]:
    if found and isinstance(found[0], Place):
        return _PLACE_COLUMNS
    kept: list[FittedColumn] = []
    left = width - _SCROLL_BAR_CELLS - _PADDING - _LEAST_NAME_CELLS
    for column in _MODEL_COLUMNS:
        left -= _PADDING + (column.cells or 0)
        if left < 0:
            break
        kept.append(column)
    return (_NAME, *kept)


def _place_words(place: Place) -> tuple[str, str]:
    if place.text == SAMPLE:
        return "✓ comes with the program", "success"
    if place.model:
        return "✓ a model", "success"
    if place.model is None:
        return "bucket" if place.text.count("/") == 3 else "prefix", MUTED
    return "folder", MUTED


def _number(count: int | None, cells: int) -> Text:
    return Text(f"{'–' if count is None else format_count(count):>{cells}}")
