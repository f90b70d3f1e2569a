"""How a fit comes about: every term of what a machine must hold, with its formula and how sure it is."""

from pathlib import PurePath
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.instances.breakdown import Breakdown, OpenedBudget, break_down
from core.instances.fit import Fit
from core.models.figures import Figure
from core.quantities import format_bytes, format_memory
from tui.draft import Draft
from tui.status_words import MUTED

_WHAT_CELLS: Final = 9
_SIZE_CELLS: Final = 9
_SURE: Final = {"exact": "exact", "estimated": "≈ estimated"}
_SURE_CELLS: Final = max(map(len, _SURE.values()))
_BESIDE_CELLS: Final = 64
_LEGEND: Final = "exact: read, or reckoned from what was read by a known formula. ≈ estimated: anything else."


class Sum(Static):
    """One budget, term by term, with what they come to and what of the machine can be used."""

    def __init__(self, budget: OpenedBudget, *, disk: bool) -> None:
        super().__init__()
        self._budget = budget
        self._disk = disk

    def on_resize(self) -> None:
        """Where there is little room, how sure a term is stands below its formula."""
        self.update(self._lines(beside=self.size.width >= _BESIDE_CELLS))

    def _lines(self, *, beside: bool) -> Table:
        budget, colours = self._budget, self.app.theme_variables
        form, quiet = format_bytes if self._disk else format_memory, colours.get(MUTED, "")
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, width=_WHAT_CELLS)
        table.add_column(no_wrap=True, width=_SIZE_CELLS, justify="right")
        table.add_column(ratio=1)
        if beside:
            table.add_column(no_wrap=True, width=_SURE_CELLS)

        def add(figure: Figure, style: str = "") -> None:
            sure = _SURE[figure.confidence]
            formula = (figure.formula, sure) if beside else (f"{figure.formula} · {sure}",)
            told = (Text(cell, style=quiet) for cell in formula)
            table.add_row(Text(figure.what, style=style), Text(form(figure.bytes), style=style), *told)

        for figure in shown_terms(budget):
            add(figure)
        needed = sum(figure.bytes for figure in budget.required)
        spare = budget.usable.bytes - needed
        verdict, colour = f"✓ holds, {form(spare)} free", "success"
        if spare < 0:
            verdict, colour = f"✗ lacks {form(-spare)}", "error"
        table.add_row(
            Text("in all", style="bold"),
            Text(form(needed), style="bold"),
            Text(verdict, style=colours.get(colour, "")),
        )
        add(budget.usable, "bold")
        return table


class ArithmeticScreen(ModalScreen[None]):
    """Opens the three budgets of one fit."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss", "arithmetic.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f,enter,q", "close", "Close", id="arithmetic.close", tooltip="Go back", key_display="esc"),
    ]

    def __init__(self, fit: Fit, opened: Breakdown, asked: str) -> None:
        super().__init__()
        self._fit = fit
        self._opened = opened
        self._asked = asked

    def compose(self) -> ComposeResult:
        """Lay out one block for each budget."""
        with VerticalScroll(classes="dialog", can_focus=True) as dialog:
            dialog.border_title = Content(self._fit.instance.name)
            dialog.border_subtitle = "esc closes"
            yield Static(Content(self._asked))
            for title, budget, disk in self._budgets():
                yield Static(Content.styled(title, "bold"), classes="budget")
                yield Sum(budget, disk=disk)
            yield Static(Content.styled(_LEGEND, f"${MUTED}"), classes="budget")

    def _budgets(self) -> tuple[tuple[str, OpenedBudget, bool], ...]:
        gpus = self._fit.gpus
        title = "The GPU" if gpus == 1 else f"Each of {gpus} GPUs, the fullest one"
        gpu = ((title, self._opened.gpu, False),) if self._opened.gpu else ()
        return (*gpu, ("Memory", self._opened.host, False), ("Disk", self._opened.disk, True))

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()


def shown_terms(budget: OpenedBudget) -> tuple[Figure, ...]:
    """Return the terms worth showing: a picture is one of a model that makes pictures only."""
    return tuple(figure for figure in budget.required if figure.bytes or figure.what != "picture")


def arithmetic_of(draft: Draft, name: str | None) -> tuple[Fit, Breakdown, str] | None:
    """Return the fit of a type, opened, and in words what it was reckoned for; `None` while nothing is known.

    Without a name it is the type that holds now, else the one that comes first of those that do not hold the model.
    """
    if draft.facts is None or draft.weights is None or draft.table is None:
        return None
    table = draft.table
    row = next((row for row in table.rows if row.fit.instance.name == name), None) if name else draft.row
    row = row or next(iter(table.rows), None)
    if row is None:
        return None
    opened = break_down(draft.facts, draft.weights, row.fit, context=table.context, concurrency=table.concurrency)
    return row.fit, opened, asked_words(draft, row.fit)


def asked_words(draft: Draft, fit: Fit) -> str:
    """Return what a fit was reckoned for: the model, the engine, the context and the requests at once."""
    words = f"{draft.reference} with the {fit.engine} engine"
    if draft.table is None or not draft.demand_counts or draft.table.context is None:
        return f"{words}."
    requests = draft.table.concurrency
    many = "one request at a time" if requests == 1 else f"each of {requests:,} requests at once"
    return f"{words}, {draft.table.context:,} tokens for {many}."
