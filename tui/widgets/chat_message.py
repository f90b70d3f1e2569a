"""One question or answer in a chat. Questions are plain text; answers are Markdown, shown as they come."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownStream


class AnswerMarkdown(Markdown):
    """Markdown whose links the chat asks about before it opens them."""

    def __init__(self) -> None:
        super().__init__(open_links=False)


class QuestionMessage(Vertical):
    """What the person said."""

    def __init__(self, text: str) -> None:
        super().__init__(classes="message question-message")
        self.text = text

    def compose(self) -> ComposeResult:
        """Lay out who and what."""
        yield Static("You", classes="who")
        yield Static(Content(self.text), classes="said")


class AnswerMessage(Vertical):
    """What the endpoint said, or is saying."""

    def __init__(self, who: str) -> None:
        super().__init__(classes="message answer-message")
        self._who = who
        self._stream: MarkdownStream | None = None
        self.text = ""
        self.whole = False
        """Whether all of it has come."""

    def compose(self) -> ComposeResult:
        """Lay out who and what."""
        yield Static(Content(self._who), classes="who")
        yield AnswerMarkdown()

    async def add(self, piece: str) -> None:
        """Show another piece of the answer."""
        if self._stream is None:
            self._stream = Markdown.get_stream(self.query_one(Markdown))
        self.text += piece
        await self._stream.write(piece)

    async def finish(self, note: str) -> None:
        """Show that the answer is whole, and a note on it: how long it took."""
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
        if not self.text.strip():
            await self.query_one(Markdown).update("*(an empty answer)*")
        self.whole = True
        words = Content.assemble(self._who, (f"  {note}", "$quiet"))
        self.query_one(".who", Static).update(words)

    async def on_unmount(self) -> None:
        """End the stream with the message."""
        if self._stream is not None:
            await self._stream.stop()
