"""Second step: what will be packaged, what is left out and why, and how large it is against a machine's memory."""

from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from core.models.facts import WeightSet
from core.quantities import format_bytes
from tui.draft import StepName
from tui.status_words import MUTED, in_cell
from tui.widgets.bars import BarList
from tui.widgets.fitted_table import FittedColumn, FittedTable
from tui.widgets.steps.demand_line import DemandLine
from tui.widgets.steps.form_choice import FormChoice
from tui.widgets.steps.size_words import LABEL_CELLS, memory_bars, packaged_bars
from tui.widgets.steps.step import FormulasAsked, Proceed, Step
from tui.widgets.steps.weight_choice import WeightChoice
from tui.wizard_state import WizardState

_COLUMNS: Final = (
    FittedColumn("", 10),
    FittedColumn("     Size", 9),
    FittedColumn("File", share=3),
    FittedColumn("Why", share=2),
)


class FileTable(FittedTable):
    """The files; Enter goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Continue", id="size.continue", tooltip="Go on to the instance"),
    ]


class SizeStep(Step):
    """Shows the weight set file by file, and turns what the machine must hold."""

    step: ClassVar[StepName] = "size"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "formulas", "Formulas", id="size.formulas", tooltip="Open the arithmetic of the instance"),
    ]

    def compose(self) -> ComposeResult:
        """Lay out the sums, what can be turned, and the machine above the files."""
        yield FormChoice(id="form-line")
        yield BarList(id="size-facts", label_cells=LABEL_CELLS)
        yield WeightChoice(id="weight-choice")
        yield DemandLine(id="demand-line")
        yield BarList(id="size-memory", label_cells=LABEL_CELLS)
        yield FileTable(_COLUMNS, id="size-files")

    def on_mount(self) -> None:
        """No files are shown yet."""
        self._shown: WeightSet | None = None
        self._at_row = 0

    def show(self, state: WizardState) -> None:
        """Show the weight set and the machine it would run on."""
        weights = state.draft.weights
        self.query_one("#size-facts", BarList).show(packaged_bars(weights) if weights else ())
        self.query_one("#size-memory", BarList).show(memory_bars(state) if weights else ())
        self.query_one(FormChoice).show(state)
        self.query_one(DemandLine).show(state)
        self.query_one(WeightChoice).show(state)
        if weights is not None and weights is not self._shown:
            self._shown = weights
            self._fill(weights)

    def _fill(self, weights: WeightSet) -> None:
        colours = self.app.theme_variables
        kept = [("weights", file) for file in weights.weights] + [("support", file) for file in weights.support]
        rows: list[tuple[Text, ...]] = [
            (
                in_cell(f"✓ {kind}", "success", colours),
                in_cell(f"{format_bytes(file.bytes):>9}", "foreground", colours),
                in_cell(file.path, "foreground", colours),
                in_cell("a shard" if kind == "weights" and weights.shards > 1 else "", MUTED, colours),
            )
            for kind, file in kept
        ]
        for left in weights.left_out:
            cells = ("– left out", f"{format_bytes(left.file.bytes):>9}", left.file.path, left.reason)
            rows.append(tuple(in_cell(cell, MUTED, colours) for cell in cells))
        self.query_one(FileTable).show_rows(rows)

    def take_focus(self) -> None:
        """Focus the files, so that they can be read through; Enter goes on. What stands above them stays in view."""
        self.query_one(DemandLine).settle()
        self.query_one(FileTable).focus(scroll_visible=False)

    def action_formulas(self) -> None:
        """Open the arithmetic of the type that holds now."""
        self.post_message(FormulasAsked())

    @on(DataTable.RowHighlighted)
    def _moved(self, event: DataTable.RowHighlighted) -> None:
        if event.cursor_row != self._at_row:  # on a small screen the files may be below the edge
            self._at_row = event.cursor_row
            self.scroll_to_widget(event.data_table, animate=False)

    @on(DataTable.RowSelected)
    def _go_on(self) -> None:
        demand = self.query_one(DemandLine)
        if demand.wrong:  # never with other numbers than those in view
            demand.take_focus()
        else:
            self.post_message(Proceed())
