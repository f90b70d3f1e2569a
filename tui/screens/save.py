"""Asks for the file a plan is written to."""

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from core.errors import SagewizardError
from tui import calls
from tui.background import Calls
from tui.widgets.field import Field
from tui.widgets.problem import ProblemBox

if TYPE_CHECKING:
    from core.deployments.plan import Plan


class SaveScreen(ModalScreen[Path]):
    """Writes the plan; gives the path, or nothing when the person went back."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", id="save.back", tooltip="Write nothing"),
    ]

    def __init__(self, proposed: Path, plan: "Plan") -> None:
        super().__init__()
        self._proposed = proposed
        self._plan = plan
        self._calls = Calls(self)

    def compose(self) -> ComposeResult:
        """Lay out the field."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = "Save the plan"
            dialog.border_subtitle = "enter writes · esc goes back"
            yield Static(Content("A file in YAML (.yaml) or JSON (.json); `sagewizard deploy FILE` runs it."))
            yield Field(str(self._proposed), id="path", select_on_focus=False)
            yield ProblemBox()

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        path = Path(event.value.strip() or str(self._proposed))
        self._calls.start("save", lambda _: calls.save_plan(self._plan, path), self.dismiss, self._not_saved)

    def _not_saved(self, problem: SagewizardError) -> None:
        self.query_one(ProblemBox).show(problem)

    def action_close(self) -> None:
        """Write nothing."""
        self.dismiss(None)
