"""What the keys of a screen do."""

from pathlib import PurePath
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static


def keys_of(screen: Screen[Any]) -> tuple[tuple[str, str], ...]:
    """Return the keys of a screen and what each does, without those that only move about."""
    found: dict[str, str] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.id and not binding.system:
            found.setdefault(screen.app.get_key_display(binding), binding.tooltip or binding.description)
    return tuple(found.items())


class HelpScreen(ModalScreen[None]):
    """Lists keys."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter,q", "close", "Close", id="help.close", tooltip="Go back"),
    ]

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Lay out one line a key."""
        width = max(len(key) for key, _ in (*self._keys, ("tab", "")))
        lines = [Content.assemble((f"{key:>{width}}", "bold $primary"), "  ", (says, "")) for key, says in self._keys]
        lines.append(Content.assemble((f"{'tab':>{width}}", "bold $primary"), "  Next field, shift+tab goes back"))
        with VerticalScroll(classes="dialog", can_focus=True) as dialog:
            dialog.border_title = "Keys"
            dialog.border_subtitle = "esc closes"
            yield Static(Content("\n").join(lines))

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()
