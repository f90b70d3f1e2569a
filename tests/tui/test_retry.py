"""What is left of a deployment that ended: its log in view, its answers kept for another try or gone."""

from dataclasses import replace

import pytest

from core.deployments.events import Event
from core.errors import DeploymentFailedError
from tests.tui.driving import Stage, shown, until, until_shown
from tests.tui.samples import a_draft, a_failed_run
from tests.unit.plans import a_plan
from tui import navigation
from tui.background import Feed
from tui.deployer import Deployer
from tui.draft import Draft
from tui.runs import DeploymentRun
from tui.screens.deployment import DeploymentScreen


class _Listening(Stage):
    """Notes where the screens want to go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str | None, str]] = []

    def on_new_deployment(self, event: navigation.NewDeployment) -> None:
        self.asked.append((event.reference, event.step))


async def test_another_try_has_the_answers_of_its_own_run() -> None:
    app = _Listening()
    run = a_failed_run()
    run.draft = a_draft()
    app.workspace.draft = Draft("org/another")
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await pilot.press("e")
        await until(pilot, lambda: app.asked == [(None, "review")], "the way back")
        assert app.workspace.draft is run.draft


async def test_a_model_that_changed_since_it_was_looked_at_is_looked_at_again() -> None:
    app = _Listening()
    run = DeploymentRun(a_plan(), draft=a_draft())
    run.apply(Event("d1", "inspect", "failed", "config.json is not as it was when the plan was made."))
    run.finish("failed", DeploymentFailedError("config.json is not as it was when the plan was made."))
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await pilot.press("e")
        await until(pilot, lambda: app.asked == [("org/tiny", "model")], "the way to the model")


@pytest.mark.parametrize("another", [True, False])
async def test_the_answers_go_when_their_endpoint_is_ready_and_no_others(another: bool) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)):
        draft = a_draft()
        run = DeploymentRun(a_plan(), draft=draft)
        app.workspace.draft = kept = replace(draft, name="next") if another else draft
        Deployer(app, app.workspace)._ready(run, Feed(app, lambda _: None))
        assert app.workspace.draft is (kept if another else None)


async def test_after_a_failure_told_at_length_the_log_is_still_in_view() -> None:
    app = Stage()
    run = a_failed_run("The container's log says: " + "the weights are upside down " * 12)
    run.log.append("12:00:00   | the very last line")
    run.logged += 1
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await until(pilot, lambda: "the very last line" in shown(app), "the end of the log")
        await until_shown(pilot, "✗ failed   Endpoint")
        await until_shown(pilot, "Undo")
        assert "Package" not in shown(app)
        await pilot.resize_terminal(80, 45)
        await until(pilot, lambda: "Package" in shown(app), "all stages where there is room")
