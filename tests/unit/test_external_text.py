import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.external_text import StreamCleaner, clean, clean_line

_HOSTILE = [
    "\x1b]52;c;aGVsbG8=\x07",  # writes the clipboard
    "\x1b]0;title\x1b\\",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x1bP1$r\x1b\\",
    "\x1bc",
    "\x9d0;t\x9c",
    "\u202e\u2066",
    "\u061c",
    "\x08\x07\x00\x7f",
]


@pytest.mark.parametrize("sequence", _HOSTILE)
def test_nothing_of_a_control_sequence_is_left(sequence: str) -> None:
    assert clean(f"before{sequence}after") == "beforeafter"


def test_ordinary_text_is_untouched() -> None:
    text = "naïve [bold]x[/bold] 日本語 👩‍💻\n\ttabbed"
    assert clean(text) == text


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text())
def test_no_control_character_but_tab_and_line_feed_survives(text: str) -> None:
    assert not [c for c in clean(text) if (ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160]


@given(st.lists(st.sampled_from([*_HOSTILE, "text", "[x]", "é"]), max_size=8), st.integers(1, 5))
def test_a_stream_is_cleaned_wherever_it_is_cut(parts: list[str], size: int) -> None:
    text = "".join(parts)
    cleaner = StreamCleaner()
    pieces = [cleaner.feed(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join([*pieces, cleaner.close()]) == clean(text)


def test_a_line_is_one_line() -> None:
    assert clean_line(" a\n\n b\t\x1b[31mc ") == "a b c"
