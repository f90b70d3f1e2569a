"""Second step: what will be packaged, what is left out and why, and how large it is against a machine's memory."""

from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Static

from core.external_text import clean_line
from core.instances.fit import Budget, FitRow
from core.models.facts import WeightSet
from core.quantities import format_bytes, format_memory
from tui.draft import StepName
from tui.status_words import MUTED, in_cell
from tui.widgets.facts import Fact, FactList
from tui.widgets.fitted_table import FittedColumn, FittedTable
from tui.widgets.steps.step import Proceed, Step
from tui.wizard_state import WizardState

_BAR_CELLS: Final = 24
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
    """Shows the weight set file by file."""

    step: ClassVar[StepName] = "size"

    def compose(self) -> ComposeResult:
        """Lay out the sums above the files."""
        yield Static("What will be packaged", classes="question")
        yield FactList(id="size-facts")
        yield FileTable(_COLUMNS, id="size-files")

    def on_mount(self) -> None:
        """No files are shown yet."""
        self._shown: WeightSet | None = None

    def show(self, state: WizardState) -> None:
        """Show the weight set and the machine it would run on."""
        draft = state.draft
        if draft.weights is None:
            self.query_one(FactList).show(())
            return
        facts = [*size_facts(draft.weights), *memory_facts(draft.row)]
        if draft.table is None and "table" in state.asking:
            facts.append(Fact("Memory", "working out which machines hold it …", colour=MUTED))
        elif draft.table is None and (problem := state.problems.get("table")):
            facts.append(Fact("Memory", f"not known: {clean_line(problem.message)}", colour=MUTED))
        self.query_one(FactList).show(facts)
        if draft.weights is not self._shown:
            self._shown = draft.weights
            self._fill(draft.weights)

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
        """Focus the files, so that they can be read through; Enter goes on."""
        self.query_one(FileTable).focus()

    @on(DataTable.RowSelected)
    def _go_on(self) -> None:
        self.post_message(Proceed())


def size_facts(weights: WeightSet) -> tuple[Fact, ...]:
    """Return the sums of a weight set, in words."""
    shards = "1 file" if weights.shards == 1 else f"{weights.shards} shards"
    left = sum(entry.file.bytes for entry in weights.left_out)
    support = sum(file.bytes for file in weights.support)
    return (
        Fact("Weights", f"{format_bytes(weights.weight_bytes)} in {shards}, {weights.format}"),
        Fact("Beside them", f"{format_bytes(support)} in {_files(len(weights.support))} (config, tokenizer)"),
        Fact("Left out", f"{format_bytes(left)} in {_files(len(weights.left_out))}" if weights.left_out else "nothing"),
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def memory_facts(row: FitRow | None) -> tuple[Fact, ...]:
    """Return how full the chosen machine would be, as bars."""
    if row is None:
        return ()
    parts: list[tuple[str, Budget | None]] = [
        ("each GPU", row.fit.gpu),
        ("memory", row.fit.host),
        ("disk", row.fit.disk),
    ]
    return tuple(
        Fact(f"{row.fit.instance.name} {what}" if number == 0 else what, budget_words(budget, disk=what == "disk"))
        for number, (what, budget) in enumerate((what, budget) for what, budget in parts if budget is not None)
    )


def budget_words(budget: Budget, *, disk: bool = False) -> str:
    """Return a budget as a bar and its numbers: `██████░░░░ 0.9 of 6.4 GiB`."""
    share = min(1.0, budget.required_bytes / budget.usable_bytes) if budget.usable_bytes else 1.0
    full = round(share * _BAR_CELLS)
    words = format_bytes if disk else format_memory
    over = "" if budget.holds else "  ✗ too much"
    bar = "━" * full + "╌" * (_BAR_CELLS - full)
    return f"{bar} {words(budget.required_bytes)} of {words(budget.usable_bytes)}{over}"
