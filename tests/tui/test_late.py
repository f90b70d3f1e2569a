"""What comes late: pieces of an answer nobody waits for any more, lines of a log that is being read again."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from textual.widgets import Log

from core.aws.logs import LogLine
from core.cancellation import CancelToken
from core.endpoints.conversation import Conversation
from tests.tui.driving import Stage, settled, shown, type_text, until, until_shown
from tui import calls
from tui.screens.chat import ChatScreen
from tui.screens.logs import LogsScreen
from tui.widgets.chat_message import AnswerMessage


def _line(text: str) -> LogLine:
    return LogLine(datetime.now(UTC), "AllTraffic/i-1", text)


async def test_lines_of_a_reading_that_was_given_up_are_not_shown_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(_account: object, _name: str, cancel: CancelToken) -> Iterator[LogLine]:
        cancel.wait(60)
        return iter(())

    monkeypatch.setattr(calls, "follow_logs", follow)
    monkeypatch.setattr("tui.workspace.Workspace.open_account", lambda _: None)
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = LogsScreen(app.workspace, "tiny")
        await app.push_screen(screen)
        given_up = screen._feed
        assert given_up is not None
        given_up.put(_line("hello"))
        await pilot.press("r")
        await until(pilot, lambda: screen._feed is not given_up, "another reading")
        given_up.put(_line("late"))
        given_up.drain()
        assert screen._feed is not None
        screen._feed.put(_line("2026-11-25 01:20:55,123 - INFO - hello"))
        await until_shown(pilot, "1 line · ◐ following")
        assert "late" not in await settled(pilot)
        assert screen.query_one(Log).line_count == 1
        assert "  INFO - hello" in shown(app)


class _Silent:
    """A conversation whose endpoint takes a question, and whose answer the test gives."""

    dialect = "inputs"

    def __init__(self) -> None:
        self.on_text: list[Any] = []

    def ask(self, _text: str, *, cancel: CancelToken, on_text: Any) -> None:
        self.on_text.append(on_text)
        cancel.wait(60)
        cancel.check()


async def test_a_piece_that_comes_after_the_waiting_was_given_up_goes_into_no_other_answer() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen, endpoint = ChatScreen(app.workspace, "tiny"), _Silent()
        await app.push_screen(screen)
        await until_shown(pilot, "The account is not open yet")
        screen._conversation = cast(Conversation, endpoint)
        await type_text(pilot, "one")
        await pilot.press("enter")
        await until(pilot, lambda: len(endpoint.on_text) == 1, "the first question")
        await pilot.press("escape")
        await until(pilot, lambda: not screen.query(AnswerMessage), "the end of the wait")
        await pilot.press("enter")
        await until(pilot, lambda: len(endpoint.on_text) == 2, "the second question")
        worker = threading.Thread(target=endpoint.on_text[0], args=("late words",))
        worker.start()
        worker.join()
        endpoint.on_text[1]("fresh words")
        await until_shown(pilot, "fresh words")
        assert "late words" not in await settled(pilot)
        await pilot.press("escape")


async def test_the_footer_says_what_esc_does_now() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen, endpoint = ChatScreen(app.workspace, "tiny"), _Silent()
        await app.push_screen(screen)
        await until_shown(pilot, "esc Home")
        screen._conversation = cast(Conversation, endpoint)
        await type_text(pilot, "one")
        await pilot.press("enter")
        await until_shown(pilot, "esc Stop waiting")
        assert "esc Home" not in shown(app)
        await pilot.press("escape")
        await until_shown(pilot, "esc Home")
        assert app.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen, "the way home")
