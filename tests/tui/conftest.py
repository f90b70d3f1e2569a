"""What the tests of the screens stand on."""

import pytest
from textual.widgets import Input, TextArea


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves by itself: no animation, no blinking cursor."""
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # what is typed is searched for: nobody is there
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _self: None)
    monkeypatch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda _self: None)
