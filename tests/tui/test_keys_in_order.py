"""Keys that come faster than the screen follows, as over a slow line."""

import pytest
from textual import events
from textual.app import ComposeResult
from textual.widgets import Input, TextArea

from tests.tui.driving import Stage, until
from tui.widgets.field import Field
from tui.widgets.prompt import Prompt


class _Written(Stage):
    """Two things to write in, and what was sent from them."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def compose(self) -> ComposeResult:
        yield Prompt(placeholder="", id="prompt")
        yield Field(id="field")

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        self.sent.append(event.text)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.sent.append(event.value)


@pytest.mark.parametrize("where", ["#prompt", "#field"])
@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        (["a", "b", "x", "backspace", "c", "enter"], "abc"),
        (["b", "left", "a", "end", "c", "enter"], "abc"),
        (["x", "y", "ctrl+u", "a", "b", "enter", "z"], "ab"),
    ],
)
async def test_keys_take_effect_as_they_were_pressed(where: str, keys: list[str], sent: str) -> None:
    app = _Written()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(where).focus()
        await pilot.pause()
        for key in keys:  # nothing is waited for between them
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: app.sent, "what was sent")
        assert app.sent == [sent]


async def test_a_key_that_is_not_the_fields_own_still_reaches_the_screen() -> None:
    app = _Written()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(Field).focus()
        await pilot.press("shift+tab")
        await until(pilot, lambda: isinstance(app.focused, TextArea), "the field before")
