"""Model cards: where they are read from, and how their text is made safe to show."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cancellation import CancelToken
from core.errors import AccessError
from core.models.card import ModelCard, fetch_card
from core.models.card_text import readable_card
from core.models.hub import HubClient
from core.models.reference import FolderReference, SampleReference

NOWHERE = HubClient("http://127.0.0.1:9", attempts=1)
_DIRECTIONS = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_PIECES = [
    *("---\n", "\n", "\n\n", " ", "a", "# Title\n", "```\n", "```python\n", "~~~\n", "`", "``", "> ", "- ", "1. "),
    *(
        "<!--",
        "-->",
        "<b>",
        "</b>",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<br/>",
        "</p>",
        "<",
        ">",
        "<think>",
    ),
    *("<img alt='", "'>", '<img src="x" alt="dog">', "![", "](", "]", "(", ")", "![alt](address)", "[picture: a]"),
    *("&lt;", "&gt;", "&amp;", "&#27;", "&#x202e;", "&rlm;", "&nbsp;", "&#96;", "#27;", "&", ";", "\t", "\r\n", "\r"),
    *("\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x9d", "\x00", "\u202e", "\u2066", "\u061c", "\u2028", "\ud800"),
]
cards = st.one_of(st.text(), st.lists(st.sampled_from(_PIECES), max_size=60).map("".join))


@settings(max_examples=300)
@given(cards)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = readable_card(text)
    assert not [character for character in shown if character != "\n" and unicodedata.category(character) == "Cc"]
    assert not _DIRECTIONS & set(shown)
    shown.encode()


@settings(max_examples=300)
@given(cards)
def test_what_is_readable_stays_as_it_is(text: str) -> None:
    shown = readable_card(text)
    assert readable_card(shown) == shown


@settings(max_examples=30)
@given(st.sampled_from(_PIECES), st.integers(0, 60_000))
def test_a_card_is_shown_up_to_a_limit(piece: str, times: int) -> None:
    shown = readable_card("x\n" + piece * times)
    assert len(shown) <= 40_000
    assert shown.count("\n") < 1_500


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("---\nlicense: mit\n---\n\n# Tiny\n", "# Tiny"),
        ("\ufeff---\r\nlicense: mit\r\n---\r\n# Tiny", "# Tiny"),
        ("---\n---\n# Tiny", "# Tiny"),
        ("# Tiny\n\n---\n\nmore", "# Tiny\n\n---\n\nmore"),
        ("---\nno end", "no end"),
        ("a<!-- hidden\n```\n -->b", "ab"),
        ("a <!-- never closed", "a  never closed"),
        ('<h1 align="center">Tiny</h1>text', "Tiny\ntext"),
        ("| a<br>b | c |", "| a b | c |"),
        ("<script>alert(1)</script >x<style>\np {}\n</style>y", "xy"),
        ("use <style> here", "use  here"),
        ("<<b>i>x<!-<!-- a -->- b -->y", "xy"),
        ("![a dog](https://x/y(1).png) ![](z) ![ref][1]", "[picture: a dog] [picture] [picture: ref]"),
        ("[![badge](https://x/b.svg)](https://x)", "[[picture: badge]](https://x)"),
        ("<img src=x alt='a cat'/><img data-alt=no src=y><IMG ALT=bird>", "[picture: a cat][picture][picture: bird]"),
        ("it writes <think> and <|im_start|>", "it writes <think> and <|im_start|>"),
        ("`<s>[INST]` and ``<b>`x``", "`<s>[INST]` and ``<b>`x``"),
        ("```html\n<b>![x](y)</b> &lt;\n```\n<b>z</b>", "```html\n<b>![x](y)</b> &lt;\n```\nz"),
        ("- ```\n  <b>\n  ```\n<b>x", "- ```\n  <b>\n  ```\nx"),
        ("````\n```\n<b>\n````\n<b>x", "````\n```\n<b>\n````\nx"),
        ("Q&amp;A &lt; 5 &nbsp;&copy; &nosuch;", "Q&A < 5  © &nosuch;"),
        ("&lt;b&gt; &amp;lt; &lt;think&gt;", "&lt;b> &amp;lt; <think>"),
        ("&#27;[2Jx &#x202e;y &rlm;z", "[2Jx y z"),
        ("```\n&#x202e;&rlm;&amp;\n```", "```\n&amp;\n```"),
        ("a\x1b[31mb\x1b]0;t\x07c\u202ed", "abcd"),
        ("a\n\n\n\n\nb   \n", "a\n\nb"),
        ("<https://example.com> 1 < 2 > 0", "<https://example.com> 1 < 2 > 0"),
        ("", ""),
    ],
)
def test_a_card_becomes_readable(written: str, shown: str) -> None:
    assert readable_card(written) == shown


def test_a_long_card_is_cut_at_a_line() -> None:
    shown = readable_card("\n".join(f"{number:06} {'x' * 90}" for number in range(1000)))
    *lines, gap, note = shown.split("\n")
    assert 39_000 < len(shown) <= 40_000
    assert [line[:6] for line in lines] == [f"{number:06}" for number in range(len(lines))]
    assert len(lines[-1]) == 97
    assert gap == ""
    assert "only its beginning" in note


def test_a_card_of_many_lines_is_cut() -> None:
    shown = readable_card("x\n" * 3_000).split("\n")
    assert len(shown) == 1_500
    assert "only its beginning" in shown[-1]


def test_a_card_of_one_long_line_is_cut() -> None:
    assert len(readable_card("x" * 2**21)) == 40_000


def test_a_folder_without_a_card(tmp_path: Path) -> None:
    assert fetch_card(FolderReference(tmp_path), None, NOWHERE, CancelToken()) == ModelCard("")


def test_the_card_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"\xef\xbb\xbf---\na: 1\n---\n# \xff<b>Tiny</b>")
    card = fetch_card(FolderReference(tmp_path), None, NOWHERE, CancelToken())
    assert card.text == "---\na: 1\n---\n# \ufffd<b>Tiny</b>"
    assert card.readable == "# \ufffdTiny"


def test_the_card_of_the_sample_is_read_from_its_folder() -> None:
    path = SampleReference().path / "README.md"
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    assert fetch_card(SampleReference(), None, NOWHERE, CancelToken()).text == expected


def test_a_card_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "README.md").open("wb") as file:
        file.truncate(2**40)
    assert len(fetch_card(FolderReference(tmp_path), None, NOWHERE, CancelToken()).text) == 2**20


def test_a_pipe_in_the_place_of_a_card_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")
    assert fetch_card(FolderReference(tmp_path), None, NOWHERE, CancelToken()).text == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_card_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch(mode=0)
    with pytest.raises(AccessError, match="may not be read"):
        fetch_card(FolderReference(tmp_path), None, NOWHERE, CancelToken())
