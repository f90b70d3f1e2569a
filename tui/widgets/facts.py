"""Labelled values under each other, each with why it is so."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text
from textual.widgets import Static


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what it is, its value, why (or empty), and the theme's word for its colour (or empty)."""

    label: str
    value: str
    why: str = ""
    colour: str = ""


class FactList(Static):
    """Shows facts in aligned columns; long values wrap within their column."""

    DEFAULT_CSS = "FactList { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.facts: tuple[Fact, ...] = ()

    def show(self, facts: Iterable[Fact]) -> None:
        """Show these facts, and nothing else."""
        self.facts = tuple(facts)
        colours = self.app.theme_variables
        quiet = colours.get("quiet", "")
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, width=max((len(fact.label) for fact in self.facts), default=0))
        table.add_column(ratio=3)
        if any(fact.why for fact in self.facts):
            table.add_column(ratio=2)
        for fact in self.facts:
            cells = [Text(fact.label, style=quiet), Text(fact.value, style=colours.get(fact.colour, ""))]
            table.add_row(*cells, *([Text(fact.why, style=quiet)] if fact.why else []))
        self.update(table)
