"""Asks before an endpoint is deleted: what goes with it, and its name as the proof that it is meant."""

from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from core.errors import SagewizardError
from tui import calls
from tui.background import Calls
from tui.widgets.field import Field
from tui.widgets.problem import ProblemBox
from tui.workspace import Workspace

if TYPE_CHECKING:
    from core.deployments.ledger import Resource

_WORDS: Final = {
    "endpoint": "the endpoint itself",
    "endpoint_config": "its endpoint config",
    "model": "its model",
    "object": "its artifact",
    "role": "its role",
    "bucket": "the bucket, if empty",
}
_NAME_CELLS: Final = 38


class DeleteScreen(ModalScreen[bool]):
    """Gives whether to delete. The focus is in the field; the button works once the name is there."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "keep", "Keep it", id="delete.keep", tooltip="Delete nothing"),
    ]
    AUTO_FOCUS = "#delete-name"

    def __init__(self, workspace: Workspace, name: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._endpoint = name
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)

    def compose(self) -> ComposeResult:
        """Lay out what goes, the field and the answers."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(f"Delete {self._endpoint}?")
            yield Static("Looking for what was made for it …", id="going")
            yield ProblemBox()
            yield Static(Content(f"\nType {self._endpoint} to delete it."), id="delete-ask", classes="muted")
            yield Field(id="delete-name", max_length=80)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Keep it", id="keep")
                yield Button("Delete", id="delete", classes="-danger", disabled=True)

    def on_mount(self) -> None:
        """Look for what would go."""
        workspace, name = self._workspace, self._endpoint
        self._calls.start(
            "going", lambda _: calls.what_would_go(workspace.open_account(), name), self._found, self._not_found
        )

    def on_unmount(self) -> None:
        """Drop what was asked for."""
        self._calls.cancel_all()

    def _found(self, resources: "tuple[Resource, ...]") -> None:
        self.query_one("#going", Static).update(going_words(resources))

    def _not_found(self, problem: SagewizardError) -> None:
        self.query_one("#going", Static).update("")
        self.query_one(ProblemBox).show(problem)

    @property
    def _meant(self) -> bool:
        return self.query_one(Input).value.strip() == self._endpoint

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#delete", Button).disabled = not self._meant
        self.query_one(Input).remove_class("-invalid")

    @on(Input.Submitted)
    def _entered(self) -> None:
        if self._meant:
            self.dismiss(True)
        elif self.query_one(Input).value.strip():
            self.query_one(Input).add_class("-invalid")
            self.query_one("#delete-ask", Static).update(
                Content.assemble(("\n✗ ", "$error"), f"That is not its name. Type {self._endpoint} to delete it.")
            )

    @on(Button.Pressed, "#delete")
    def _delete(self) -> None:
        if self._meant:
            self.dismiss(True)

    @on(Button.Pressed, "#keep")
    def action_keep(self) -> None:
        """Delete nothing."""
        self.dismiss(False)


def going_words(resources: "tuple[Resource, ...]") -> Content:
    """Return what a deletion removes, one line each."""
    lines = [Content.styled("What goes, for good:", "$foreground")]
    for resource in resources:
        name = resource.name if len(resource.name) <= _NAME_CELLS else f"…{resource.name[1 - _NAME_CELLS :]}"
        lines.append(
            Content.assemble(("  ✗ ", "$error"), f"{_WORDS.get(resource.kind, resource.kind):<22}", (name, "$quiet"))
        )
    if [resource.kind for resource in resources] == ["endpoint"]:
        lines.append(
            Content.styled("Nothing else of it is known to be sagewizard's: model, config and role stay.", "$quiet")
        )
    return Content("\n").join(lines)
