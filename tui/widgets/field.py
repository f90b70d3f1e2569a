"""A line to write in: what is pasted into it is cleaned first, several lines become one with blanks between."""

from textual import events
from textual.widgets import Input

from core.external_text import clean_line, unix_lines
from tui.widgets.keys_in_order import take_own_key


class Field(Input):
    """An input that takes no control sequences: Textual would show what is pasted as it is."""

    async def _on_key(self, event: events.Key) -> None:
        await take_own_key(self, event)

    def _on_paste(self, event: events.Paste) -> None:
        event.text = clean_line(unix_lines(event.text))  # Textual's own handler runs after this one
