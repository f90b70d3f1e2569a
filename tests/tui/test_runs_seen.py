"""Deployments that end while something else is in front: no answer is lost, and why they failed can still be read."""

import pytest
from textual.app import App
from textual.widgets import Log

from core.deployments.events import Event
from core.deployments.ledger import Resource
from core.errors import AccessError, CancelledByUser, DeploymentFailedError
from tests.tui.driving import SANDBOX, Stage, settled, shown, until, until_screen, until_shown, words
from tests.tui.samples import a_failed_run
from tests.unit.plans import a_plan
from tui import calls, navigation
from tui.app import SagewizardApp
from tui.background import Feed
from tui.deployer import Deployer
from tui.runs import DeploymentRun
from tui.screens.confirm import ConfirmScreen, before_quitting
from tui.screens.deployment import DeploymentScreen
from tui.screens.home import HomeScreen
from tui.widgets.problem import ProblemBox

_TOO_LATE = "tiny was in service already, so it was not stopped. On the home screen d deletes it."


class _Listening(Stage):
    """Notes where the screens want to go, and stops and puts aside what they ask to."""

    def __init__(self) -> None:
        super().__init__()
        self.chats: list[str] = []
        self.opened: list[DeploymentRun] = []
        self.deleting: list[str] = []
        self.deployer = Deployer(self, self.workspace)

    def on_open_chat(self, event: navigation.OpenChat) -> None:
        self.chats.append(event.name)

    def on_open_run(self, event: navigation.OpenRun) -> None:
        self.opened.append(event.run)

    def on_ask_to_delete(self, event: navigation.AskToDelete) -> None:
        self.deleting.append(event.name)

    def on_stop_run(self, event: navigation.StopRun) -> None:
        self.deployer.stop(event.run)

    def on_dismiss_run(self, event: navigation.DismissRun) -> None:
        event.run.dismissed = True
        self.workspace.run_changed.publish(event.run)

    @property
    def told(self) -> list[str]:
        """What was said in notices, but for that it is in service."""
        return [notice.message for notice in self._notifications if notice.message != "tiny is in service."]

    def ready(self, run: DeploymentRun) -> None:
        self.deployer._ready(run, Feed(self, lambda _: None))


async def _asked_to_stop(app: _Listening) -> tuple[DeploymentRun, DeploymentScreen]:
    run = DeploymentRun(a_plan())
    app.workspace.runs.append(run)
    screen = DeploymentScreen(app.workspace, run)
    await app.push_screen(screen)
    return run, screen


async def test_a_question_outlives_the_end_of_the_deployment_it_is_about() -> None:
    app = _Listening()
    async with app.run_test(size=(80, 24)) as pilot:
        run, screen = await _asked_to_stop(app)
        await pilot.press("c")
        await until_screen(pilot, ConfirmScreen)
        app.ready(run)
        assert "Stop this deployment?" in await settled(pilot)
        assert app.chats == []
        await pilot.press("enter")  # go on deploying
        await until(pilot, lambda: app.chats == ["tiny"], "the chat")
        assert app.screen is screen


async def test_stopping_what_became_ready_meanwhile_is_said_to_be_too_late() -> None:
    app = _Listening()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        run, screen = await _asked_to_stop(app)
        await pilot.press("c")
        await until_screen(pilot, ConfirmScreen)
        app.ready(run)
        await pilot.press("right", "enter")
        await until(pilot, lambda: app.told == [_TOO_LATE], "what became of it")
        assert app.screen is screen
        assert app.chats == []


async def test_stopping_that_came_too_late_for_the_run_does_not_open_the_chat() -> None:
    app = _Listening()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        run, screen = await _asked_to_stop(app)
        await pilot.press("c")
        await until_screen(pilot, ConfirmScreen)
        await pilot.press("right", "enter")
        await until(pilot, lambda: run.word == "cancelling", "the stop")
        app.ready(run)
        await until(pilot, lambda: app.told == [_TOO_LATE], "what became of it")
        assert app.screen is screen
        assert app.chats == []


async def test_any_other_question_over_a_deployment_outlives_its_end_too() -> None:
    app = _Listening()
    async with app.run_test(size=(80, 24)) as pilot:
        run, _ = await _asked_to_stop(app)
        answers: list[str | None] = []
        await app.push_screen(ConfirmScreen(before_quitting([run.name], "sagewizard deployments")), answers.append)
        app.ready(run)
        assert "A deployment is not finished" in await settled(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: app.chats == ["tiny"], "the chat")
        assert answers == ["stay"]


async def test_a_run_that_failed_unseen_can_be_read_from_home_until_it_is_put_aside() -> None:
    app = _Listening()
    run = a_failed_run()
    app.workspace.runs.append(run)
    async with app.run_test(size=(80, 24)) as pilot:
        home = HomeScreen(app.workspace)
        await app.push_screen(home)
        await until_shown(pilot, "✗ failed")
        await pilot.press("enter")
        await until(pilot, lambda: app.opened == [run], "its screen")
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await until_shown(pilot, "The endpoint failed to start: worker died with code 1.")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is home, "the list")
        await until_shown(pilot, "✗ failed")
        await pilot.press("d")  # nothing of it is left: it goes without a question
        await until(pilot, lambda: home.names == (), "an empty list")
        assert app.screen is home


async def test_what_a_failed_run_left_is_deleted_from_home_like_an_endpoint() -> None:
    app = _Listening()
    run = a_failed_run()
    run.left = True
    app.workspace.runs.append(run)
    async with app.run_test(size=(80, 24)) as pilot:
        home = HomeScreen(app.workspace)
        await app.push_screen(home)
        await until_shown(pilot, "✗ failed")
        await pilot.press("d")
        await until(pilot, lambda: app.deleting == ["tiny"], "the question")
        assert home.names == ("tiny",)


def test_a_run_that_was_refused_because_of_anothers_endpoint_does_not_hide_that_one() -> None:
    app = _Listening()
    run = a_failed_run()
    app.workspace.runs.append(run)
    assert app.workspace.run_to_read("tiny", exists=False) is run
    assert app.workspace.run_to_read("tiny", exists=True) is None
    run.left = True
    assert app.workspace.run_to_read("tiny", exists=True) is run


async def test_what_was_stopped_as_asked_is_no_error_and_needs_no_reading() -> None:
    app = _Listening()
    run = DeploymentRun(a_plan())
    run.finish("cancelled", CancelledByUser())
    app.workspace.runs.append(run)
    async with app.run_test(size=(80, 24)) as pilot:
        home, screen = HomeScreen(app.workspace), DeploymentScreen(app.workspace, run)
        await app.push_screen(home)
        await until_shown(pilot, "○ stopped")
        await app.push_screen(screen)
        await until_shown(pilot, "■ stopped as asked")
        assert screen.query_one(ProblemBox).problem is None
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is home and home.names == (), "an empty list")


async def test_what_a_stopped_run_left_is_an_error() -> None:
    app = _Listening()
    run = DeploymentRun(a_plan())
    run.left = True
    run.finish("cancelled", CancelledByUser(fix="Still there: role r; remove with `sagewizard endpoints delete tiny`."))
    app.workspace.runs.append(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await until_shown(pilot, "✗ Stopped, but not all that was made could be removed.")
        await until_shown(pilot, "Still there: role r;")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, DeploymentScreen), "the way out")
        assert not run.dismissed


async def test_the_wizard_gives_way_to_the_deployment_with_no_glimpse_of_home(
    isolated_home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise DeploymentFailedError("No.")

    monkeypatch.setattr(calls, "deploy", refuse)
    app = SagewizardApp(SANDBOX)
    app.open_account = lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: "Which model?" in shown(app), "the wizard")
        came: list[type[object]] = []
        app.screen_change_signal.subscribe(app, lambda screen: came.append(type(screen)))
        app.post_message(navigation.StartRun(a_plan()))
        await until_screen(pilot, DeploymentScreen)
        assert came == [DeploymentScreen]
        assert len(app.screen_stack) == 2
        await pilot.press("escape")
        await until_screen(pilot, HomeScreen)


def _with_undo_that_fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_plan: object, _account: object, _hub: object, emit: object, _cancel: object) -> None:
        assert callable(emit)
        emit(Event("d1", "role", "started", "Creating the role"))
        raise error

    monkeypatch.setattr(calls, "deploy", fail)
    monkeypatch.setattr("tui.workspace.Workspace.open_account", lambda _: None)
    monkeypatch.setattr(calls, "may_be_left", lambda _account, deployment: deployment == "d1")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DeploymentFailedError("No."), "tiny failed, and not all that was made for it could be removed."),
        (CancelledByUser(), "tiny was stopped, and not all that was made for it could be removed."),
    ],
)
async def test_what_a_failed_undo_left_is_said_in_the_shell(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_undo_that_fails(monkeypatch, error)
    app = _Listening()
    async with app.run_test(size=(80, 24)) as pilot:
        run = app.deployer.start(a_plan())
        await until(pilot, lambda: not run.active, "its end")
        assert run.left
        delete = "delete: sagewizard --sandbox endpoints delete tiny"
        assert app.workspace.farewell == f"{said} See: sagewizard --sandbox deployments · {delete}\n"
        app.workspace.count_gone("tiny")
        assert app.workspace.farewell == ""


async def test_a_deployment_that_is_left_to_itself_is_named_in_the_shell() -> None:
    app: App[int] = Stage()
    assert isinstance(app, Stage)
    run = DeploymentRun(a_plan())
    run.apply(Event("d1", "upload", "progress", "Uploading", 2, 5, "bytes"))
    app.workspace.runs.append(run)
    assert "tiny was left while it was being deployed (upload 40%)" in app.workspace.farewell
    assert "sagewizard --sandbox endpoints delete tiny" in app.workspace.farewell


async def test_two_deployments_are_spoken_of_as_two() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ConfirmScreen(before_quitting(["a", "b"], "sagewizard --sandbox deployments")))
        await until(pilot, lambda: "a, b are still being deployed." in words(app), "the question")
        await until_shown(pilot, "deployments` lists it.")


async def test_a_line_of_the_log_has_one_time_before_it() -> None:
    app = Stage()
    run = DeploymentRun(a_plan())
    run.apply(Event("d1", "endpoint", "log", "2026-11-25T01:20:55,123 [INFO ] main - Loading"))
    run.apply(Event("d1", "endpoint", "log", "2026 was a good year"))
    async with app.run_test(size=(80, 40)) as pilot:
        screen = DeploymentScreen(app.workspace, run)
        await app.push_screen(screen)
        await until_shown(pilot, "│ [INFO ] main - Loading")
        await until_shown(pilot, "│ 2026 was a good year")
        assert screen.query_one(Log).line_count >= 2


async def test_two_that_fail_before_they_begin_both_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AccessError("The AWS sign-in has expired.")

    monkeypatch.setattr("tui.workspace.Workspace.open_account", lambda _: fail())
    app = _Listening()
    async with app.run_test(size=(80, 24)) as pilot:
        runs = [app.deployer.start(a_plan()) for _ in range(3)]
        await until(pilot, lambda: [run.word for run in runs] == ["failed"] * 3, "their ends")
        assert app.workspace.farewell == ""


async def test_of_an_endpoint_that_is_gone_the_shell_is_told_what_stayed(monkeypatch: pytest.MonkeyPatch) -> None:
    role = Resource("role", "sagewizard-tiny", "deleting")
    left: list[tuple[Resource, ...]] = [(role,), ()]
    monkeypatch.setattr(calls, "delete_endpoint", lambda *_: left.pop(0))
    monkeypatch.setattr("tui.workspace.Workspace.open_account", lambda _: None)
    app = _Listening()
    gone: list[str | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        app.workspace.endpoints_changed.subscribe(app, gone.append)
        app.workspace.count_made("tiny")
        app.deployer.delete("tiny")
        await until(pilot, lambda: "tiny" in gone, "its end")
        assert "in service" not in app.workspace.farewell
        assert "tiny is deleted, but not all that was made for it could be removed." in app.workspace.farewell
        app.deployer.delete("tiny")
        await until(pilot, lambda: gone.count("tiny") == 2, "the end of the rest")
        assert app.workspace.farewell == ""
