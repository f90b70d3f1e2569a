"""The field a message is written in: Enter sends it, Ctrl+J begins a new line."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from core.external_text import clean, unix_lines
from tui.widgets.keys_in_order import take_own_key


class Prompt(TextArea):
    """Grows with its text, to a few lines."""

    DEFAULT_CSS = """
    Prompt {
        height: auto; max-height: 6; background: $surface; border: tall $border-blurred; padding: 0 1;
        &:focus { border: tall $primary; }
        &:disabled { color: $quiet; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", id="prompt.send", tooltip="Send the message"),
        Binding("ctrl+j", "new_line", "New line", id="prompt.line", tooltip="Begin a new line", show=False),
    ]

    class Sent(Message):
        """A message was written and sent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, placeholder: str, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, soft_wrap=True, show_line_numbers=False, placeholder=placeholder)

    async def _on_key(self, event: events.Key) -> None:
        await take_own_key(self, event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()  # or it bubbles to the app, which hands it to the field once more
        event.text = clean(unix_lines(event.text))  # Textual's own handler runs after this one

    def action_send(self) -> None:
        """Send what is written, if anything is."""
        if text := self.text.strip():
            self.post_message(self.Sent(text))

    def action_new_line(self) -> None:
        """Begin a new line."""
        self.insert("\n")
