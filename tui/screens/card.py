"""The card of a model: what its makers wrote about it, as text."""

import asyncio
from pathlib import PurePath
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static

from core.errors import SagewizardError
from core.external_text import clean_line
from tui import calls
from tui.background import Calls
from tui.widgets.problem import ProblemBox
from tui.workspace import Workspace

_LONGEST_ADDRESS: Final = 300
_LINES_AT_ONCE: Final = 40


class CardScreen(ModalScreen[None]):
    """Fetches the card of the model that `reference` names, at a commit if one is given, and shows it."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss", "card.tcss"]
    AUTO_FOCUS = "#card"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="card.close", tooltip="Go back"),
    ]

    def __init__(self, workspace: Workspace, reference: str, revision: str | None = None) -> None:
        super().__init__()
        self._workspace = workspace
        self._reference = reference
        self._revision = revision
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)

    def compose(self) -> ComposeResult:
        """Lay out the card."""
        with VerticalScroll(id="card", classes="dialog", can_focus=True) as dialog:
            dialog.border_title = Content(clean_line(self._reference)[:_LONGEST_ADDRESS])
            dialog.border_subtitle = "esc closes"
            yield Static(Content.assemble(("◐ ", "$accent"), "Fetching the card …"), id="card-doing")
            yield ProblemBox()
            yield Markdown(open_links=False)

    def on_mount(self) -> None:
        """Fetch it."""
        reference, revision, workspace = self._reference, self._revision, self._workspace
        self._calls.start(
            "card",
            lambda cancel: calls.fetch_card(reference, revision, lambda: workspace.hub, cancel),
            self._fetched,
            self._failed,
        )

    def on_unmount(self) -> None:
        """Stop what goes on."""
        self._calls.cancel_all()

    def _fetched(self, text: str) -> None:
        doing = self.query_one("#card-doing", Static)
        doing.display = not text
        doing.update(Content.styled("It has no card.", "$quiet"))
        self.run_worker(self._write(text), group="card", description="Writing the card", exclusive=True)

    async def _write(self, text: str) -> None:
        """Show the text piece by piece: all at once, a long card would hold up every key for seconds."""
        lines, shown = text.splitlines(keepends=True), self.query_one(Markdown)
        for at in range(0, len(lines), _LINES_AT_ONCE):
            await shown.append("".join(lines[at : at + _LINES_AT_ONCE]))
            await asyncio.sleep(0)

    def _failed(self, problem: SagewizardError) -> None:
        self.query_one("#card-doing", Static).display = False
        self.query_one(ProblemBox).show(problem)

    @on(Markdown.LinkClicked)
    def _link(self, event: Markdown.LinkClicked) -> None:
        """Show where a link leads; a card is no reason to open anything."""
        event.stop()
        self.notify(clean_line(event.href)[:_LONGEST_ADDRESS], title="The link leads to", markup=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()
