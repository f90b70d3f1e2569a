"""The chat's own keys, and what must never lie over its field; no endpoint is asked."""

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from tests.tui.driving import Stage, shown, type_text, until
from tui.screens.chat import ChatScreen
from tui.widgets.chat_message import QuestionMessage
from tui.widgets.prompt import Prompt


async def _chat(app: Stage) -> ChatScreen:
    screen = ChatScreen(app.workspace, "sample")
    await app.push_screen(screen)
    return screen


async def test_what_was_said_before_can_be_read_by_key() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _chat(app)
        messages = screen.query_one("#messages", VerticalScroll)
        await messages.mount(QuestionMessage("\n".join(f"line {number}" for number in range(60))))
        await until(pilot, lambda: "line 59" in shown(app), "the end of it")
        await pilot.press("pageup", "pageup", "pageup", "pageup", "pageup", "pageup", "pageup")
        await until(pilot, lambda: "line 0" in shown(app), "its beginning")
        await type_text(pilot, "x")  # the focus is still in the field
        await until(pilot, lambda: "▊ x" in shown(app), "the letter")
        await pilot.press("pagedown", "pagedown", "pagedown", "pagedown", "pagedown", "pagedown", "pagedown")
        await until(pilot, lambda: "line 59" in shown(app), "the end again")


async def test_a_notice_does_not_lie_over_the_field() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await _chat(app)
        app.notify("tiny is in service.", markup=False)
        await until(pilot, lambda: "tiny is in service." in shown(app), "the notice")
        lines = shown(app).splitlines()
        assert next(number for number, line in enumerate(lines) if "tiny is in service." in line) < 5
        assert "SANDBOX" in lines[0]


class _Asked(Stage):
    """A field alone, and what was sent from it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def compose(self) -> ComposeResult:
        yield Prompt(placeholder="", id="prompt")

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        self.sent.append(event.text)


async def test_enter_never_overtakes_what_was_typed_before_it() -> None:
    app = _Asked()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(Prompt).focus()
        await pilot.pause()
        for letter in "whatisit":  # as fast as a terminal hands them over: nothing is waited for between them
            app.post_message(events.Key(letter, letter))
        app.post_message(events.Key("enter", "\r"))
        await until(pilot, lambda: app.query_one(Prompt).text.startswith("whatisit"), "the text")
        await until(pilot, lambda: app.sent == ["whatisit"], "the message")
