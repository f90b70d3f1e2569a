"""A conversation with one endpoint."""

import time
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Markdown, Static

from core.cancellation import CancelToken
from core.errors import SagewizardError
from core.quantities import format_duration, format_hourly
from tui import calls
from tui.background import Calls, Feed
from tui.screens.confirm import Choice, ConfirmScreen, Question
from tui.widgets.account_bar import AccountBar
from tui.widgets.chat_message import AnswerMessage, QuestionMessage
from tui.widgets.problem import ProblemBox
from tui.widgets.prompt import Prompt
from tui.workspace import Workspace

if TYPE_CHECKING:
    from core.endpoints.conversation import Answer, Conversation
    from core.endpoints.details import EndpointDetails

_TICK_SECONDS: Final = 0.5
_WEB: Final = ("http://", "https://")


class ChatScreen(Screen[None]):
    """Asks the endpoint and shows what it answers, as it comes."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss", "chat.tcss"]
    AUTO_FOCUS = "#prompt"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Home", id="chat.leave", tooltip="Go home"),
        Binding("escape", "give_up", "Stop waiting", id="chat.stop", tooltip="Stop waiting for the answer"),
        Binding("ctrl+n", "new", "New conversation", id="chat.new", tooltip="Forget what was said", priority=True),
        # Before the field's own: it is a few lines high, an answer may be longer than the screen.
        Binding("pageup", "page(-1)", "Read up", id="chat.up", tooltip="Earlier messages", show=False, priority=True),
        Binding("pagedown", "page(1)", "Read on", id="chat.down", tooltip="Later messages", show=False, priority=True),
    ]

    def __init__(self, workspace: Workspace, name: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._endpoint = name
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)
        self._conversation: Conversation | None = None
        self._asked: QuestionMessage | None = None
        self._answer: AnswerMessage | None = None
        self._feed: Feed[str] | None = None
        self._asked_at = 0.0

    def compose(self) -> ComposeResult:
        """Lay out the conversation above the field."""
        yield AccountBar(self._workspace)
        with Horizontal(classes="title-line"):
            yield Static(Content(self._endpoint), classes="title")
            yield Static(id="chat-about", classes="title-right")
        with VerticalScroll(id="messages", can_focus=False):
            yield Static(id="chat-hint")
        yield ProblemBox(id="chat-problem")
        yield Static(id="chat-state")
        yield Prompt(id="prompt", placeholder="Say something; enter sends")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Find out how the endpoint is talked to."""
        self.query_one("#messages").anchor()
        self.set_interval(_TICK_SECONDS, self._tick)
        self._open()

    def _open(self) -> None:
        workspace, name = self._workspace, self._endpoint
        self._calls.start(
            "open", lambda _: calls.start_conversation(workspace.open_account(), name), self._opened, self._failed
        )

    def on_unmount(self) -> None:
        """Stop waiting."""
        self._calls.cancel_all()

    @property
    def is_open(self) -> bool:
        """Whether it is known how the endpoint is talked to, so that a message can be sent."""
        return self._conversation is not None

    @property
    def answers(self) -> tuple[str, ...]:
        """The texts of the answers that are whole."""
        return tuple(message.text for message in self.query(AnswerMessage) if message.whole)

    def _opened(self, found: "tuple[EndpointDetails, Conversation]") -> None:
        details, self._conversation = found
        about = [details.instance_type or "", format_hourly(details.price_usd_per_hour)]
        self.query_one("#chat-about", Static).update(Content(" · ".join(part for part in about if part)))
        self.query_one("#chat-hint", Static).update(Content(_HINTS.get(self._conversation.dialect, "")))

    # -- asking ------------------------------------------------------------------------------------------------------

    @on(Prompt.Sent)
    async def _sent(self, event: Prompt.Sent) -> None:
        conversation = self._conversation
        if self._calls.busy("ask"):
            return
        if conversation is None:
            self.notify("Still finding out how this endpoint is talked to.", markup=False)
            if not self._calls.busy("open"):
                self._open()
            return
        prompt, messages = self.query_one(Prompt), self.query_one("#messages")
        prompt.text = ""
        prompt.disabled = True
        self.query_one(ProblemBox).show(None)
        self.query_one("#chat-hint").display = False
        self._asked, self._answer = QuestionMessage(event.text), AnswerMessage(self._endpoint)
        await messages.mount(self._asked, self._answer)
        messages.anchor()
        message = self._answer
        feed = self._feed = Feed(self, lambda pieces: self.call_later(self._add, message, "".join(pieces)))
        self._asked_at = time.monotonic()
        self._calls.start("ask", _asking(conversation, event.text, feed), self._answered, self._failed)
        self._tick()
        self.refresh_bindings()

    async def _add(self, message: AnswerMessage, text: str) -> None:
        if message is self._answer:  # else nobody waits for it any more
            await message.add(text)

    def _answered(self, answer: "Answer") -> None:
        if self._feed is not None:
            self._feed.drain()
        self.call_later(self._finish, answer)

    async def _finish(self, answer: "Answer") -> None:
        if self._answer is not None:
            note = f"{answer.seconds:.1f} s" + (", streamed" if answer.streamed else "")
            if answer.forgotten:
                note += f" · {answer.forgotten} oldest turns no longer fitted and were left out"
            await self._answer.finish(note)
        self._unlock()

    def _failed(self, problem: SagewizardError) -> None:
        self.query_one(ProblemBox).show(problem)
        self._take_back()

    def _take_back(self) -> None:
        """Give the person their text back: the conversation is as it was before."""
        if self._asked is not None:
            self.query_one(Prompt).text = self._asked.text
            self._asked.remove()
        if self._answer is not None:
            self._answer.remove()
        self._unlock()

    def _unlock(self) -> None:
        self._asked = self._answer = self._feed = None
        prompt = self.query_one(Prompt)
        prompt.disabled = False
        prompt.focus()
        prompt.move_cursor(prompt.document.end)
        self._tick()
        self.refresh_bindings()

    def _tick(self) -> None:
        words = Content("")
        if self._calls.busy("ask"):
            waited = format_duration(time.monotonic() - self._asked_at)
            words = Content.assemble(("◐ ", "$accent"), f"answering {waited}", ("  esc stops waiting", "$quiet"))
        self.query_one("#chat-state", Static).update(words)

    # -- keys --------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Go home."""
        self.dismiss()

    def action_give_up(self) -> None:
        """Stop waiting for the answer."""
        self._calls.cancel("ask")
        self._take_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer one meaning of Esc at a time."""
        if action in ("leave", "give_up"):
            return self._calls.busy("ask") == (action == "give_up")
        return super().check_action(action, parameters)

    def action_page(self, by: int) -> None:
        """Read what was said before, or come back; the focus stays where it is."""
        messages = self.query_one("#messages", VerticalScroll)
        if by < 0:
            messages.release_anchor()
            messages.scroll_page_up(animate=False)
        else:
            messages.scroll_page_down(animate=False)

    async def action_new(self) -> None:
        """Begin a new conversation."""
        if self._calls.busy("ask") or self._conversation is None:
            return
        self._conversation.clear()
        await self.query(".message").remove()
        self.query_one(ProblemBox).show(None)
        self.query_one("#chat-hint").display = True

    @on(Markdown.LinkClicked)
    def _link(self, event: Markdown.LinkClicked) -> None:
        event.stop()
        address = event.href
        if not address.startswith(_WEB):
            self.notify("Only web addresses are opened.", markup=False)
            return
        question = Question(
            "Open this address in the browser?",
            f"The model wrote it; look at it first:\n\n{address}",
            (Choice("no", "Stay"), Choice("open", "Open")),
        )
        self.app.push_screen(
            ConfirmScreen(question), lambda answer: self.app.open_url(address) if answer == "open" else None
        )


_HINTS: Final = {
    "messages": "A chat model: it is told all that was said before.",
    "inputs": "A text model: it goes on from what you write, and does not remember what was said before.",
    "text": "A text model: it goes on from what you write, and does not remember what was said before.",
}


def _asking(conversation: "Conversation", text: str, feed: Feed[str]) -> Callable[[CancelToken], "Answer"]:
    return lambda cancel: conversation.ask(text, cancel=cancel, on_text=feed.put)
