"""Several lines at once from the clipboard: terminals end them with a carriage return; no words may grow together."""

import pytest
from textual import events
from textual.app import ComposeResult

from tests.tui.driving import Stage, until
from tui.widgets.field import Field
from tui.widgets.prompt import Prompt


class _Fields(Stage):
    """A field for lines, and one for a line."""

    def compose(self) -> ComposeResult:
        yield Prompt(placeholder="", id="prompt")
        yield Field(id="field")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"], ids=repr)
async def test_lines_that_are_pasted_stay_apart(end: str) -> None:
    app = _Fields()
    async with app.run_test(size=(80, 24)) as pilot:
        prompt, field = app.query_one(Prompt), app.query_one(Field)
        prompt.post_message(events.Paste(f"one{end}two{end}{end}three"))
        await until(pilot, lambda: prompt.text == "one\ntwo\n\nthree", "the lines")
        field.post_message(events.Paste(f"org/tiny{end}and more{end}"))
        await until(pilot, lambda: field.value == "org/tiny and more", "the line")
