"""Third step: which instance type, and how many."""

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from core.errors import SagewizardError
from core.instances.fit import FitRow, FitTable
from tui.draft import StepName, usable
from tui.widgets.field import Field
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.instance_rows import ORDERS, Column, cells_of, columns_in, listed
from tui.widgets.steps.instance_table import CountBy, FilterField, InstanceTable, Wanted
from tui.widgets.steps.instance_words import link_to_more, nothing_fits, refusal, row_words
from tui.widgets.steps.step import FormulasAsked, InstanceChosen, Proceed, Step
from tui.wizard_state import WizardState

MOST_INSTANCES: Final = 100
_LONGEST_FILTER: Final = 40


class InstanceStep(Step):
    """Lists every type: those that hold the model first, the cheapest on top."""

    step: ClassVar[StepName] = "instance"

    def compose(self) -> ComposeResult:
        """Lay out the table, what is true of the row under the cursor, the filter and the count."""
        with Horizontal(classes="question-line"):
            yield Static("Which instance?", classes="question", id="instance-question")
            yield Static(id="instance-order")
            yield FilterField(id="filter", placeholder="/ filter", max_length=_LONGEST_FILTER, compact=True)
            yield Static("Instances", classes="label", id="count-label")
            yield Field("1", id="count", type="integer", max_length=3, compact=True, restrict=r"\d*")
        yield ProblemBox(id="instance-problem")
        yield InstanceTable(id="instances", cursor_type="row")
        yield Static(id="instance-detail")

    def on_mount(self) -> None:
        """Nothing is listed yet."""
        self._table: FitTable | None = None
        self._rows: dict[str, FitRow] = {}
        self._count = 1
        self._listed_for = 1
        self._order = ORDERS[0]
        self._standing: SagewizardError | None = None
        self._told: str | None = None
        self._holding: str | None = None
        """The type that holds now: the cursor is on it where nothing else says where."""
        self._sandbox = False

    def show(self, state: WizardState) -> None:
        """Show the fits; the choice that holds is under the cursor."""
        draft, field = state.draft, self.query_one("#count", Input)
        self._count, self._sandbox = draft.instance_count, state.sandbox
        self._holding = draft.row.fit.instance.name if draft.row else None
        if not field.has_focus and field.value != str(draft.instance_count):
            field.value = str(draft.instance_count)
        self._standing = state.problems.get("table") or nothing_fits(draft.table)
        self.query_one(ProblemBox).show(self._standing)
        if draft.table is None:
            self._table = None
            self._list()
            words = "◐ Asking for prices and quotas …" if "table" in state.asking else ""
            self.query_one("#instance-detail", Static).update(Content(words))
        elif draft.table is not self._table:
            self._table = draft.table
            self._list(self._holding)
        elif draft.instance_count != self._listed_for:
            self._list()

    def _list(self, at: str | None = None) -> None:
        """List what the filter leaves; the cursor is on `at`, else where it was."""
        table = self.query_one(InstanceTable)
        at = at or table.name_at_cursor or self._holding
        rows = self._table.rows if self._table else ()
        shown = listed(rows, self.query_one("#filter", Input).value, self._order)
        self._rows = {row.fit.instance.name: row for row in shown}
        self._listed_for = self._count
        columns = self._columns
        cells = {name: cells_of(row, columns, self._recommended, self._count) for name, row in self._rows.items()}
        table.show_types(columns, self._order.column, cells, at)
        self.query_one("#instance-order", Static).update(Content.styled(self._order_words(len(rows)), "$quiet"))
        if self._table is not None:
            self._tell()

    def _order_words(self, total: int) -> str:
        words = f"by {self._order.name}"
        return words if len(self._rows) == total else f"{words}, {len(self._rows)} of {total}"

    @property
    def _columns(self) -> tuple[Column, ...]:
        return columns_in(self.query_one(InstanceTable).outer_size.width)

    @property
    def _recommended(self) -> str | None:
        return self._table.recommended if self._table else None

    @property
    def _at_cursor(self) -> FitRow | None:
        return self._rows.get(self.query_one(InstanceTable).name_at_cursor or "")

    def _tell(self) -> None:
        """Tell of the row under the cursor; that another one was refused is no longer of interest."""
        if (name := self.query_one(InstanceTable).name_at_cursor) != self._told:
            self._told = name
            self.query_one(ProblemBox).show(self._standing)
        words = Content("No type matches the filter; esc there lists all of them again.")
        if (row := self._at_cursor) is not None:
            told = any(column.name == "context" for column in self._columns)
            words = row_words(row, self._recommended, self._count, context=not told)
        self.query_one("#instance-detail", Static).update(words)

    def take_focus(self) -> None:
        """Focus the table; a filter that would hide the type that holds is emptied: Enter takes what is seen."""
        if self._holding is not None and self._holding not in self._rows:
            self.query_one("#filter", Input).value = ""
            self._list(self._holding)
        self.query_one(InstanceTable).focus()

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        if self._table is not None:
            self._tell()

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        if (row := self._at_cursor) is None:
            return
        if not usable(row, self._count):
            problem = refusal(row, self._recommended, self._count, sandbox=self._sandbox)
            self.query_one(ProblemBox).show(problem)
            return
        self.query_one(ProblemBox).show(None)
        self.post_message(InstanceChosen(row.fit.instance.name))
        self.post_message(Proceed())

    @on(Wanted)
    def _wanted(self, event: Wanted) -> None:
        event.stop()
        match event.what:
            case "filter":
                self.query_one("#filter", Input).focus()
            case "columns":
                self._list()
            case "sort":
                self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
                self._list()
            case "formulas":
                self.post_message(FormulasAsked(self.query_one(InstanceTable).name_at_cursor))
            case "link":
                self._copy_link()

    def _copy_link(self) -> None:
        row = self._at_cursor
        if row is not None and (link := link_to_more(row, self._count)):
            self.app.copy_to_clipboard(link)
            self.notify("The link is copied.", markup=False)
        else:
            self.notify("Nothing more needs to be asked for here.", markup=False)

    @on(Input.Changed, "#filter")
    def _filter_typed(self) -> None:
        self._list()

    @on(Input.Submitted, "#filter")
    def _filter_given(self) -> None:
        self.query_one(InstanceTable).focus()

    @on(CountBy)
    def _count_by(self, event: CountBy) -> None:
        event.stop()
        self._choose_count(self._count + event.by)

    @on(Input.Changed, "#count")
    def _count_typed(self, event: Input.Changed) -> None:
        if event.value and event.input.has_focus:
            self._choose_count(int(event.value))

    @on(Input.Submitted, "#count")
    def _count_given(self) -> None:
        self.query_one(InstanceTable).focus()

    @on(Input.Blurred, "#count")
    def _count_left(self, event: Input.Blurred) -> None:
        event.input.value = str(self._count)

    def _choose_count(self, count: int) -> None:
        self._count = min(MOST_INSTANCES, max(1, count))
        self.post_message(InstanceChosen(count=self._count))
