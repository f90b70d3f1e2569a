"""Small windows: what Enter does is in view, and so is where the cursor is."""

import pytest
from textual.widget import Widget
from textual.widgets import Button, Input

from core.deployments.ledger import Resource
from core.endpoints.desk import EndpointSummary
from tests.tui.driving import Stage, settled, shown, until, until_shown
from tests.tui.samples import BEGUN, a_draft
from tests.unit.plans import a_plan
from tui.screens.confirm import ConfirmScreen, before_quitting
from tui.screens.delete import DeleteScreen
from tui.screens.home import HomeScreen
from tui.screens.wizard import WizardScreen
from tui.widgets.problem import ProblemBox

SIZES = [(80, 24), (80, 16), (60, 15)]
sized = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def _in_view(widget: Widget) -> bool:
    """Whether all of a widget is on the screen, and not behind the edge of what it is in."""
    return widget.region.height > 0 and all(
        ancestor.region.contains_region(widget.region) for ancestor in widget.ancestors if isinstance(ancestor, Widget)
    )


@pytest.mark.parametrize("size", [*SIZES, (60, 12)], ids=str)
async def test_the_button_that_creates_is_in_view(size: tuple[int, int]) -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=size) as pilot:
        screen = WizardScreen(app.workspace, at="review")
        await app.push_screen(screen)
        await until(pilot, lambda: isinstance(screen.focused, Button), "the button")
        text = await settled(pilot)
        assert "Create endpoint – $0.115/h" in text
        assert "$0.115/h · $84/month" in text
        assert _in_view(screen.query_one(Button))
        await pilot.press("up")
        await until(pilot, lambda: screen.focused is screen.query_one("#review"), "the decisions")
        assert "Create endpoint – $0.115/h" in await settled(pilot)


@sized
async def test_the_question_before_a_deletion_shows_its_field_and_its_buttons(size: tuple[int, int]) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        screen = DeleteScreen(app.workspace, "tiny")
        await app.push_screen(screen)
        await until(pilot, lambda: "not open yet" in shown(app), "the answer of a program at rest")
        screen.query_one(ProblemBox).show(None)
        screen._found(
            tuple(
                Resource(kind, "tiny", "created")
                for kind in ("endpoint", "endpoint_config", "model", "role", "object", "bucket")
            )
        )
        await settled(pilot)
        assert _in_view(screen.query_one(Input))
        assert all(_in_view(button) for button in screen.query(Button))


@sized
async def test_a_question_of_three_answers_shows_them_all(size: tuple[int, int]) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(ConfirmScreen(before_quitting(["a"], "sagewizard deployments")))
        text = await settled(pilot)
        assert all(answer in text for answer in ("Stay", "Stop, undo, then quit", "Quit, leave it"))


@sized
async def test_the_field_for_a_role_is_in_view(size: tuple[int, int]) -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=size) as pilot:
        screen = WizardScreen(app.workspace, at="role")
        await app.push_screen(screen)
        await until_shown(pilot, "Another role, by name or ARN")
        await settled(pilot)
        assert _in_view(screen.query_one("#role-input"))


@sized
async def test_a_list_is_never_cut_in_the_middle_of_a_column(size: tuple[int, int]) -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=size) as pilot:
        await app.push_screen(WizardScreen(app.workspace, at="instance"))
        await until_shown(pilot, "7.090")
        await until_shown(pilot, "1.515")
        home = HomeScreen(app.workspace)
        await app.push_screen(home)
        home._found((EndpointSummary("tiny", "InService", "ml.m5.large", 1, BEGUN, True, 12.115),))
        await until_shown(pilot, "12.115")


async def test_the_columns_follow_the_width_and_the_cursor_stays() -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=(60, 24)) as pilot:
        wizard = WizardScreen(app.workspace, at="instance")
        await app.push_screen(wizard)
        await until_shown(pilot, "7.090")
        await pilot.press("down", "down")
        await pilot.resize_terminal(100, 24)
        await until_shown(pilot, "$/mon")
        await until_shown(pilot, "5,176")
        await until_shown(pilot, "ml.g6e.2xlarge: 1 × L40S")
        home = HomeScreen(app.workspace)
        await app.push_screen(home)
        home._found(tuple(EndpointSummary(name, "InService", "ml.m5.large", 1, BEGUN, True, 1.5) for name in "ab"))
        await until_shown(pilot, "Ours")
        await pilot.press("down")
        await until(pilot, lambda: home._at_cursor == "b", "the cursor")
        await pilot.resize_terminal(60, 24)
        await until(pilot, lambda: "Ours" not in shown(app) and "1.500" in shown(app), "fewer columns")
        assert home._at_cursor == "b"


async def test_the_stepper_says_where_one_is_where_it_cannot_show_all_steps() -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=(76, 24)) as pilot:
        await app.push_screen(WizardScreen(app.workspace, at="review"))
        await until_shown(pilot, "● 5 Review")
        await pilot.resize_terminal(70, 24)
        await until_shown(pilot, "● 5/5 Review")
        await pilot.resize_terminal(80, 24)
        await until_shown(pilot, "✓ 1 Model  ─  ✓ 2 Size")


async def test_what_has_no_room_in_a_step_can_be_scrolled_to_by_key() -> None:
    app = Stage()
    app.workspace.draft = a_draft(a_plan())
    async with app.run_test(size=(60, 15)) as pilot:
        await app.push_screen(WizardScreen(app.workspace, at="model"))
        await until_shown(pilot, "✓ Found.")
        assert "The licence forbids" not in shown(app)
        await pilot.press("pagedown", "pagedown")
        await until_shown(pilot, "The licence forbids")
