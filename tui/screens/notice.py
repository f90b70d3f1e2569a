"""An error that must be read before a person goes on: shown when there is no field or pane that it belongs to."""

from pathlib import PurePath
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button

from core.errors import SagewizardError
from tui.widgets.problem import ProblemBox


class NoticeScreen(ModalScreen[None]):
    """Shows one error with its fix."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="notice.close", tooltip="Go back"),
    ]

    def __init__(self, title: str, problem: SagewizardError) -> None:
        super().__init__()
        self._title = title
        self._problem = problem

    def compose(self) -> ComposeResult:
        """Lay out the error and one button."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(self._title)
            yield ProblemBox()
            with Horizontal(classes="dialog-buttons"):
                yield Button("Close")

    def on_mount(self) -> None:
        """Show the error."""
        self.query_one(ProblemBox).show(self._problem)

    @on(Button.Pressed)
    def action_close(self) -> None:
        """Go back to where the error came up."""
        self.dismiss()
