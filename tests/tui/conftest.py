"""What the tests of the screens stand on."""

from collections.abc import Iterator

import pytest
from textual.widgets import Input, TextArea

from tests.tui.model_search import HeldHub, filled_hub


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves by itself: no animation, no blinking cursor."""
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _self: None)
    monkeypatch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda _self: None)


@pytest.fixture
def hub() -> Iterator[HeldHub]:
    """A stand-in Hub with models to be found, whose answers can be held back."""
    with filled_hub() as stand_in:
        yield stand_in
