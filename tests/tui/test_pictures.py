"""What still screens look like, as text: the values are fixed, so is the picture.

`pytest --snapshot-update` takes new ones; look at the difference before it is committed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.deployments.ledger import Resource
from core.endpoints.desk import EndpointSummary
from core.errors import AccessError
from tests.tui.driving import Stage, settled, shown, until
from tests.tui.samples import a_draft, a_failed_run
from tests.unit.plans import a_plan
from tui.draft import STEPS, StepName
from tui.screens.chat import ChatScreen
from tui.screens.delete import DeleteScreen
from tui.screens.deployment import DeploymentScreen
from tui.screens.help import HelpScreen, keys_of
from tui.screens.home import HomeScreen
from tui.screens.wizard import WizardScreen
from tui.widgets.chat_message import AnswerMessage, QuestionMessage
from tui.widgets.problem import ProblemBox

SIZES = [(80, 24), (120, 40)]
sized = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


@sized
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_of_the_wizard(step: StepName, size: tuple[int, int], snapshot: Any) -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=size) as pilot:
        await app.push_screen(WizardScreen(app.workspace, at=step))
        assert await settled(pilot) == snapshot


@sized
async def test_a_deployment_that_failed(size: tuple[int, int], snapshot: Any) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        run = a_failed_run()
        run.log.clear()  # its times are of this machine's zone
        await app.push_screen(DeploymentScreen(app.workspace, run))
        assert await settled(pilot) == snapshot


@sized
async def test_home_with_endpoints(size: tuple[int, int], snapshot: Any) -> None:
    app = Stage()
    now = datetime.now(UTC) - timedelta(seconds=30)
    async with app.run_test(size=size) as pilot:
        screen = HomeScreen(app.workspace)
        await app.push_screen(screen)
        screen._found(
            (
                EndpointSummary(
                    "gpt-neox-20b", "InService", "ml.g5.12xlarge", 2, now - timedelta(hours=3), True, 14.18
                ),
                EndpointSummary(
                    "an-endpoint-with-a-long-name",
                    "Creating",
                    "ml.g5.2xlarge",
                    1,
                    now - timedelta(minutes=5),
                    True,
                    1.515,
                ),
                EndpointSummary("elsewhere", "Failed", None, None, now - timedelta(days=9), False, None),
            )
        )
        assert await settled(pilot) == snapshot


@sized
async def test_home_when_the_account_cannot_be_opened(size: tuple[int, int], snapshot: Any) -> None:
    app = Stage()
    app.workspace.problem = AccessError("No AWS credentials were found.", fix="Run `aws configure`.")
    async with app.run_test(size=size) as pilot:
        await app.push_screen(HomeScreen(app.workspace))
        assert await settled(pilot) == snapshot


@sized
async def test_the_question_before_a_deletion(size: tuple[int, int], snapshot: Any) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        screen = DeleteScreen(app.workspace, "tiny")
        await app.push_screen(screen)
        await until(pilot, lambda: "not open yet" in shown(app), "the answer of a program at rest")
        screen.query_one(ProblemBox).show(None)
        screen._found(
            (
                Resource("endpoint", "tiny", "created"),
                Resource("role", "sagewizard-tiny-us-east-1", "created"),
                Resource("object", "s3://sagemaker-us-east-1-123456789012/sagemaker/sagewizard/tiny/", "created"),
            )
        )
        assert await settled(pilot) == snapshot


@sized
async def test_a_chat(size: tuple[int, int], snapshot: Any) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        screen = ChatScreen(app.workspace, "tiny")
        await app.push_screen(screen)
        await until(pilot, lambda: "not open yet" in shown(app), "the answer of a program at rest")
        screen.query_one(ProblemBox).show(None)
        answer = AnswerMessage("tiny")
        await screen.query_one("#messages").mount(QuestionMessage("What is\na tensor?"), answer)
        await answer.add("A tensor is an **array**:\n\n```python\nx = [1, 2]\n```\n\n- of numbers\n- of any rank\n")
        await answer.finish("1.2 s, streamed")
        assert await settled(pilot) == snapshot


async def test_the_keys_of_home(snapshot: Any) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = HomeScreen(app.workspace)
        await app.push_screen(screen)
        await pilot.pause()
        await app.push_screen(HelpScreen(keys_of(screen)))
        assert await settled(pilot) == snapshot


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12), (300, 90)], ids=str)
async def test_no_size_breaks_a_screen(size: tuple[int, int]) -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=size) as pilot:
        wizard = WizardScreen(app.workspace)
        await app.push_screen(wizard)
        for step in STEPS:
            wizard.go(step)
            await pilot.pause()
        for screen in (DeploymentScreen(app.workspace, a_failed_run()), HomeScreen(app.workspace)):
            await app.push_screen(screen)
            await pilot.pause()
        assert app.screen.size == size
