"""What a change dropped, in a sentence: a line that takes no room while there is nothing to say."""

from textual.content import Content
from textual.widgets import Static


class NotesLine(Static):
    """Shows the draft's notes."""

    DEFAULT_CSS = "NotesLine { height: auto; padding: 0 3; display: none; }"

    def show(self, notes: tuple[str, ...]) -> None:
        """Show these notes, or nothing."""
        self.display = bool(notes)
        self.update(Content.assemble(("! ", "$accent"), " ".join(notes)) if notes else "")
