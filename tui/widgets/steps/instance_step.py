"""Third step: which instance type, and how many."""

from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from core.deployments.planner import describe_limit
from core.errors import SagewizardError
from core.instances.fit import FitRow, FitTable
from core.quantities import HOURS_PER_MONTH, format_memory
from tui.draft import StepName, usable
from tui.status_words import MUTED, in_cell
from tui.widgets.field import Field
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.step import InstanceChosen, Proceed, Step
from tui.wizard_state import WizardState

MOST_INSTANCES: Final = 100
_SHORT: Final = {"gpu": "GPU memory", "host": "memory", "disk": "disk", "engine": "processor", "quota": "quota"}
_COLUMNS: Final = (  # 75 cells with their padding: all of an 80-column screen
    ("Type", 16),
    ("GPU", 11),
    ("  GiB", 5),
    ("Fit", 13),
    ("   $/h", 6),
    (" $/mon", 6),
    ("Left", 4),
)
_FIT_COLUMN: Final = 3
_SPARED: Final = (5, 2, 6, 1)
"""The columns that a narrower screen does without, in this order: the cursor's row is told of in words below."""
_PADDING: Final = 2
_SCROLL_BAR_CELLS: Final = 1


class InstanceTable(DataTable[Text]):
    """The instance types; Enter takes the one under the cursor and goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Continue", id="instance.continue", tooltip="Take this type and go on"),
        Binding(
            "plus,equals_sign", "count(1)", "More", id="instance.more", tooltip="One instance more", key_display="+"
        ),
        Binding("minus", "count(-1)", "Fewer", id="instance.fewer", tooltip="One instance fewer", key_display="-"),
    ]

    def on_resize(self) -> None:
        """Keep the cursor in view: a problem above takes rows away."""
        self.move_cursor(row=self.cursor_row)

    def action_count(self, by: int) -> None:
        """Change the number of instances."""
        self.post_message(CountBy(by))


class CountBy(InstanceChosen):
    """The number of instances was changed by `by`."""

    def __init__(self, by: int) -> None:
        super().__init__()
        self.by = by


class InstanceStep(Step):
    """Lists every type: those that hold the model first, the cheapest on top."""

    step: ClassVar[StepName] = "instance"

    def compose(self) -> ComposeResult:
        """Lay out the table, what is true of the row under the cursor, and the count."""
        with Horizontal(classes="question-line"):
            yield Static("Which instance?", classes="question")
            yield Static("Instances", classes="label", id="count-label")
            yield Field("1", id="count", type="integer", max_length=3, compact=True, restrict=r"\d*")
        yield ProblemBox(id="instance-problem")
        yield InstanceTable(id="instances", cursor_type="row")
        yield Static(id="instance-detail")

    def on_mount(self) -> None:
        """Set the table up."""
        self._columns: tuple[int, ...] = ()
        self._set_columns(columns_in(0))
        self._table: FitTable | None = None
        self._count = 1
        self._filled_for = 1
        self._standing: SagewizardError | None = None

    def on_resize(self) -> None:
        """How many columns have room depends on the width."""
        columns = columns_in(self.size.width)
        if columns != self._columns:
            table = self.query_one(InstanceTable)
            at = table.cursor_row
            self._set_columns(columns)
            if self._table is not None:
                self._fill(self._table)
                table.move_cursor(row=at)

    def _set_columns(self, columns: tuple[int, ...]) -> None:
        table, self._columns = self.query_one(InstanceTable), columns
        table.clear(columns=True)
        for column in columns:
            title, width = _COLUMNS[column]
            table.add_column(title, width=width)

    def show(self, state: WizardState) -> None:
        """Show the fits; the choice that holds is under the cursor."""
        draft, field = state.draft, self.query_one("#count", Input)
        self._count = draft.instance_count
        if not field.has_focus and field.value != str(draft.instance_count):
            field.value = str(draft.instance_count)
        self._standing = state.problems.get("table") or _nothing_fits(draft.table)
        self.query_one(ProblemBox).show(self._standing)
        if draft.table is None:
            self._table = None
            self.query_one(InstanceTable).clear()
            words = "◐ Asking for prices and quotas …" if "table" in state.asking else ""
            self.query_one("#instance-detail", Static).update(Content(words))
        elif draft.table is not self._table or draft.instance_count != self._filled_for:
            at = draft.row if draft.table is not self._table else self._at_cursor
            self._table = draft.table
            self._fill(draft.table)
            self._move_to(at)

    def _fill(self, fits: FitTable) -> None:
        table, colours = self.query_one(InstanceTable), self.app.theme_variables
        table.clear()
        self._filled_for = self._count
        for row in fits.rows:
            mark, colour = fit_words(row, fits.recommended, self._count)
            base = "foreground" if usable(row, self._count) else MUTED
            cells = [in_cell(text, base, colours) for text in numbers(row)]
            cells.insert(_FIT_COLUMN, in_cell(mark, colour, colours))
            table.add_row(*(cells[column] for column in self._columns), key=row.fit.instance.name)

    def _move_to(self, row: FitRow | None) -> None:
        table = self.query_one(InstanceTable)
        if row is not None:
            table.move_cursor(row=table.get_row_index(row.fit.instance.name))
        self._tell(self._at_cursor)

    @property
    def _at_cursor(self) -> FitRow | None:
        table = self.query_one(InstanceTable)
        rows = self._table.rows if self._table else ()
        return rows[table.cursor_row] if 0 <= table.cursor_row < len(rows) else None

    def _tell(self, row: FitRow | None) -> None:
        recommended = self._table.recommended if self._table else None
        self.query_one("#instance-detail", Static).update(row_words(row, recommended, self._count) if row else "")

    def take_focus(self) -> None:
        """Focus the table."""
        self.query_one(InstanceTable).focus()

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self.query_one(ProblemBox).show(self._standing)
        self._tell(self._at_cursor)

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        if (row := self._at_cursor) is None:
            return
        if not usable(row, self._count):
            recommended = self._table.recommended if self._table else None
            self.query_one(ProblemBox).show(_refusal(row, recommended, self._count))
            return
        self.query_one(ProblemBox).show(None)
        self.post_message(InstanceChosen(row.fit.instance.name))
        self.post_message(Proceed())

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
        self.take_focus()

    @on(Input.Blurred, "#count")
    def _count_left(self, event: Input.Blurred) -> None:
        event.input.value = str(self._count)

    def _choose_count(self, count: int) -> None:
        self._count = min(MOST_INSTANCES, max(1, count))
        self.post_message(InstanceChosen(count=self._count))


def columns_in(width: int) -> tuple[int, ...]:
    """Return which columns have room in so many cells; all of them where the width is not known yet (0)."""
    kept, spared = list(range(len(_COLUMNS))), list(_SPARED)
    while width and spared and sum(_COLUMNS[column][1] + _PADDING for column in kept) > width - _SCROLL_BAR_CELLS:
        kept.remove(spared.pop(0))
    return tuple(kept)


def numbers(row: FitRow) -> tuple[str, ...]:
    """Return the cells of a row but the one that says whether it fits; `?` is what nobody knows."""
    instance, each = row.fit.instance, row.price.usd_per_hour
    gpu = instance.gpu
    return (
        instance.name,
        f"{gpu.count}×{gpu.name.split()[-1]} {gpu.memory_bytes / 2**30:.0f}G" if gpu else "–",
        f"{instance.memory_bytes / 2**30:>5,.0f}" if instance.specified else "    ?",
        "     ?" if each is None else f"{each:>6.3f}" if each < 10 else f"{each:>6.2f}",
        "     ?" if each is None else f"{each * HOURS_PER_MONTH:>6,.0f}",
        "   ?" if row.quota is None else f"{row.quota.left:>4}",
    )


def fit_words(row: FitRow, recommended: str | None, count: int) -> tuple[str, str]:
    """Return the fit in a word with its glyph, and the theme's word for its colour."""
    if row.fit.limited_by is not None:
        return f"✗ {_SHORT[row.fit.limited_by]}", MUTED
    if not usable(row, count):
        return "✗ quota", MUTED
    return ("★ recommended", "success") if row.fit.instance.name == recommended else ("✓ fits", "success")


def row_words(row: FitRow, recommended: str | None, count: int) -> Content:
    """Return what is worth knowing of the row under the cursor, on two lines."""
    fit, instance = row.fit, row.fit.instance
    gpu = f"{instance.gpu.count} × {instance.gpu.name}, " if instance.gpu else ""
    machine = f"{instance.name}: {gpu}{instance.vcpus} vCPU, {format_memory(instance.memory_bytes)} of memory"
    if not usable(row, count):
        return Content.assemble((machine, "$quiet"), "\n", ("✗ ", "$error"), _short_refusal(row, count))
    need = fit.gpu or fit.host
    what = "each GPU" if fit.gpu else "memory"
    why = "The cheapest with head room" if instance.name == recommended else "It fits"
    quota = f"; quota left {row.quota.left} of {row.quota.limit}" if row.quota else ""
    words = f"{why}: {format_memory(need.required_bytes)} of {format_memory(need.usable_bytes)} {what}{quota}."
    return Content.assemble((machine, "$quiet"), "\n", ("✓ ", "$success"), words)


def _short_refusal(row: FitRow, count: int) -> str:
    """Return the same as the whole refusal on one line."""
    if row.fit.fits and row.quota is not None:
        return f"Quota: {row.quota.left} of {row.quota.limit} left, {count} needed."
    limit = describe_limit(row)
    return f"{limit[:1].upper()}{limit[1:]}."


def _refusal(row: FitRow, recommended: str | None, count: int) -> SagewizardError:
    if row.fit.fits and row.quota is not None:
        return SagewizardError(
            f"The account may run {row.quota.limit} of {row.fit.instance.name} for endpoints; {row.quota.used} are in "
            f"use, and {count} would be needed.",
            fix="Choose another type or fewer instances, or ask for more in the Service Quotas console.",
        )
    return SagewizardError(
        f"{row.fit.instance.name} does not hold this model: {describe_limit(row)}.",
        fix=f"{recommended} holds it." if recommended else "Choose a smaller model.",
    )


def _nothing_fits(table: FitTable | None) -> SagewizardError | None:
    if table is None or table.recommended is not None or any(row.fit.fits for row in table.rows):
        return None
    return SagewizardError("No instance type holds this model.", fix=table.smallest_change or "Choose a smaller one.")
