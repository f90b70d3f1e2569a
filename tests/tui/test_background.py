import threading
from pathlib import Path

from textual.app import App

from core.cancellation import CancelToken
from core.errors import SagewizardError, UnreachableError
from core.folders import data_folder
from tests.tui.driving import Stage, until
from tui.background import TRACE_FILE, Calls, Feed


def _never_waits(_: CancelToken) -> int:
    return 42


async def test_a_result_arrives_on_the_event_loop() -> None:
    app = Stage()
    async with app.run_test() as pilot:
        calls = Calls(app)
        got: list[object] = []
        loop = threading.get_ident()
        calls.start("one", _never_waits, lambda value: got.append((value, threading.get_ident())), got.append)
        assert calls.busy("one")
        await until(pilot, lambda: got, "the result")
        assert got == [(42, loop)]
        assert not calls.busy("one")


async def test_an_error_of_core_arrives_as_it_is_and_any_other_as_a_sentence() -> None:
    app = Stage()
    async with app.run_test() as pilot:
        calls = Calls(app, debug=True)
        got: list[object] = []
        known = SagewizardError("No.", fix="Yes.")

        def fails(error: Exception) -> None:
            raise error

        calls.start("known", lambda _: fails(known), got.append, got.append)
        calls.start("unknown", lambda _: fails(ValueError("odd [/foo] \x1b[2J")), got.append, got.append)
        await until(pilot, lambda: len(got) == 2, "both")
        assert known in got
        other = next(problem for problem in got if problem is not known)
        assert isinstance(other, SagewizardError)
        assert "ValueError: odd [/foo])" in other.message
    assert "ValueError" in (data_folder() / TRACE_FILE).read_text()


async def test_a_newer_call_of_a_group_cancels_the_older_and_drops_its_result() -> None:
    app = Stage()
    async with app.run_test() as pilot:
        calls = Calls(app)
        got: list[str] = []
        ended = threading.Event()

        def waits(cancel: CancelToken) -> str:
            try:
                cancel.wait(60)
            finally:
                ended.set()
            return "old"

        calls.start("group", waits, got.append, lambda problem: got.append(problem.message))
        calls.start("group", lambda _: "new", got.append, lambda problem: got.append(problem.message))
        await until(pilot, lambda: got and ended.is_set(), "the newer result and the end of the older call")
        await pilot.pause()
        assert got == ["new"]


async def test_what_was_cancelled_says_nothing_any_more() -> None:
    app = Stage()
    async with app.run_test() as pilot:
        calls, go_on = Calls(app), threading.Event()
        got: list[object] = []
        ended = threading.Event()

        def waits(_: CancelToken) -> str:
            go_on.wait(60)
            ended.set()
            return "late"

        token = calls.start("group", waits, got.append, got.append)
        calls.cancel_all()
        assert token.cancelled
        go_on.set()
        await until(pilot, ended.is_set, "the end of the call")
        await pilot.pause()
        assert got == []


async def test_items_from_a_thread_arrive_in_order_and_in_batches() -> None:
    app = Stage()
    async with app.run_test() as pilot:
        batches: list[list[int]] = []
        feed = Feed(app, batches.append)

        def put(_: CancelToken) -> None:
            for number in range(2000):
                feed.put(number)

        Calls(app).start("feed", put, lambda _: None, lambda _: None)
        await until(pilot, lambda: sum(map(len, batches)) == 2000, "all items")
        assert [number for batch in batches for number in batch] == list(range(2000))
        assert len(batches) < 200


async def test_a_call_that_ends_after_the_program_bothers_nobody() -> None:
    go_on = threading.Event()
    errors: list[object] = []
    app: App[int] = Stage()
    async with app.run_test():
        Calls(app).start("late", lambda _: go_on.wait(60), errors.append, errors.append)
        thread = next(thread for thread in threading.enumerate() if thread.name == "late")
    before, threading.excepthook = threading.excepthook, errors.append
    try:
        go_on.set()
        thread.join(60)
    finally:
        threading.excepthook = before
    assert not thread.is_alive()
    assert errors == []


def _loses_the_sandbox(_: CancelToken) -> SagewizardError:
    raise UnreachableError(
        "Could not list endpoints: AWS did not answer (refused).",
        fix="Check the network and the region, then try again. Still there: role r.",
    )


async def test_where_the_sandbox_has_ended_that_is_said_and_what_helps() -> None:
    app = Stage()
    async with app.run_test() as pilot:
        got: list[SagewizardError] = []
        Calls(app, sandbox=True).start("one", _loses_the_sandbox, got.append, got.append)
        await until(pilot, lambda: got, "the error")
        assert got[0].message == "The sandbox does not answer: it has ended."
        assert got[0].fix == "Press r on the home screen: that starts it again. Still there: role r."
        Calls(app).start("aws", _loses_the_sandbox, got.append, got.append)
        await until(pilot, lambda: len(got) == 2, "the error of AWS")
        assert "AWS did not answer" in got[1].message


async def test_what_else_cannot_be_reached_is_not_laid_to_a_sandbox_that_runs(sandbox_home: Path) -> None:
    app = Stage()
    async with app.run_test() as pilot:
        got: list[SagewizardError] = []

        def fails(_: CancelToken) -> SagewizardError:
            raise UnreachableError("huggingface.co cannot be reached.", fix="Check the network.")

        Calls(app, sandbox=True).start("hub", fails, got.append, got.append)
        await until(pilot, lambda: got, "the error")
        assert got[0].message == "huggingface.co cannot be reached."
