"""The wizard's steps without an account: what is asked, what is kept, what is refused."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Button, DataTable, Input

from tests.tui.driving import Stage, shown, type_text, until, until_shown, words
from tests.tui.samples import a_draft, a_table
from tests.unit.plans import a_plan
from tui import navigation
from tui.draft import Draft, GivenRole, NewRole, StepName
from tui.screens.save import SaveScreen
from tui.screens.wizard import WizardScreen


class _Listening(Stage):
    """Notes which plan was to be carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[object] = []

    def on_start_run(self, event: navigation.StartRun) -> None:
        self.started.append(event.plan)


async def _open(app: Stage, draft: Draft | None = None, at: StepName = "model") -> WizardScreen:
    app.workspace.draft = draft
    screen = WizardScreen(app.workspace, at=at)
    await app.push_screen(screen)
    return screen


def _is_at(screen: WizardScreen, step: str) -> bool:
    return screen.current == step


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("not a name", "neither a Hub model nor a folder"),
        ("./no-such-folder", "no-such-folder"),
        ("", "No model was named."),
    ],
)
async def test_a_model_that_cannot_be_is_refused_beside_the_field(typed: str, sentence: str) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app)
        field = screen.query_one("#model-input", Input)
        field.value = typed
        await pilot.press("enter")
        await until(pilot, lambda: sentence in shown(app), "the refusal")
        await until_shown(pilot, "→")
        assert screen.current == "model"
        assert field.value == typed
        field.value = "sample"
        await until(pilot, lambda: sentence not in shown(app), "a clean field")


async def test_the_sample_is_one_enter_away() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app)
        await pilot.press("enter")
        await until(pilot, lambda: "GPTNeoForCausalLM" in shown(app), "the facts")
        await pilot.press("enter")
        await until(pilot, lambda: screen.current == "size", "the next step")
        await until(pilot, lambda: "model.safetensors" in shown(app), "the files")
        await until(pilot, lambda: isinstance(screen.focused, DataTable), "the focus")


async def test_going_back_keeps_every_answer_and_leaving_keeps_the_draft() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "instance")
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: screen.current == "role", "the role")
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.current == "review", "the review")
        for step in ("role", "instance", "size", "model"):
            await pilot.press("escape")
            await until(pilot, partial(_is_at, screen, step), step)
        assert screen.draft.instance_type == "ml.g6e.2xlarge"
        assert screen.draft.role == GivenRole("arn:aws:iam::123456789012:role/AmazonSageMaker-ExecutionRole")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen, "the way out")
        again = WizardScreen(app.workspace, at="review")
        await app.push_screen(again)
        assert again.draft == screen.draft


async def test_a_type_that_does_not_hold_the_model_is_not_taken() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "instance")
        await pilot.press("down", "down", "down", "enter")
        await until(pilot, lambda: "ml.g4dn.xlarge does not hold this model" in shown(app), "the reason")
        await until_shown(pilot, "ml.g5.2xlarge holds it.")
        assert screen.current == "instance"


async def test_a_type_without_quota_is_not_taken_and_more_instances_need_more_of_it() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "instance")
        await pilot.press("down", "enter")
        await until(pilot, lambda: "The account may run 0 of ml.g5.12xlarge" in shown(app), "the reason")
        await pilot.press("up", "plus")
        await until(pilot, lambda: screen.draft.instance_count == 2, "two instances")
        await pilot.press("enter")
        await until(pilot, lambda: "and 2 would be needed" in words(app), "the reason")
        assert screen.current == "instance"
        await pilot.press("minus", "minus", "enter")
        await until(pilot, lambda: screen.current == "role", "the role")
        assert screen.draft.instance_count == 1


async def test_a_role_can_be_typed() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "role")
        await pilot.press("tab")
        await type_text(pilot, "mine")
        await pilot.press("enter")
        await until(pilot, lambda: screen.current == "review", "the review")
        assert screen.draft.role == GivenRole("mine")
        assert "--role mine" in screen.command


async def test_the_default_role_is_one_of_its_own() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "role")
        await pilot.press("enter")
        await until(pilot, lambda: screen.current == "review", "the review")
        assert screen.draft.role == NewRole()
        assert "--role" not in screen.command


async def test_the_review_names_the_act_and_its_price_and_does_it_on_enter() -> None:
    app = _Listening()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(a_plan()), "review")
        await until(pilot, lambda: "Create endpoint – $0.115/h" in shown(app), "the button")
        await until_shown(pilot, "$84/month")
        await until(pilot, lambda: isinstance(screen.focused, Button), "the focus")
        await pilot.press("enter")
        await until(pilot, lambda: app.started == [a_plan()], "the start")


async def test_a_read_only_session_creates_nothing() -> None:
    app = _Listening()
    app.workspace.context = replace(app.workspace.context, readonly=True)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await _open(app, a_draft(a_plan()), "review")
        await until(pilot, lambda: "Create endpoint" in shown(app), "the button")
        await pilot.press("enter")
        await until(pilot, lambda: "This session is read-only" in words(app), "the refusal")
        assert app.started == []


async def test_a_row_of_the_review_leads_to_its_step_and_back() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(a_plan()), "review")
        screen.query_one("#review", DataTable).focus()
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: screen.current == "instance", "the instance")
        await pilot.press("escape")
        await until(pilot, lambda: screen.current == "review", "the review")


async def test_the_whole_reason_of_a_row_is_one_key_away_from_the_button() -> None:
    app = Stage()
    plan = a_plan()
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-transformers4.51.3-cpu-v2"
    why = "the newest image of the huggingface engine that the toolkit knows for a machine without a GPU, in us-east-1"
    plan = replace(
        plan,
        container=replace(plan.container, image=image),
        reasons={**plan.reasons, "artifact.template": "serves text generation", "container.image": why},
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, a_draft(plan), "review")
        await until(pilot, lambda: "Create endpoint – $0.115/h" in shown(app), "the button")
        await pilot.press("up")
        await until(
            pilot, lambda: "Model: " in words(app) and "enter changes it" in words(app), "the first row's reason"
        )
        await pilot.press(*["down"] * 6)
        await until(pilot, lambda: f"2.6.0-transformers4.51.3-cpu-v2 – {why}" in words(app), "the container's reason")
        await until_shown(pilot, "Create endpoint – $0.115/h")


@pytest.mark.parametrize("name", ["two words", "-a", "a" * 64])
async def test_a_name_that_aws_would_refuse_is_refused_beside_the_field(name: str) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(a_plan()), "review")
        field = screen.query_one("#name", Input)
        field.focus()
        field.value = name
        await pilot.press("enter")
        await until(pilot, lambda: "SageMaker does not accept" in shown(app), "the refusal")
        assert screen.draft.name is None


async def test_another_name_makes_the_plan_anew() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(a_plan()), "review")
        field = screen.query_one("#name", Input)
        field.focus()
        field.value = "other-name"
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.name == "other-name", "the name")
        assert screen.draft.plan is None
        assert "--name other-name" in screen.command


async def test_an_emptied_name_is_the_plans_again() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(a_plan()), "review")
        field = screen.query_one("#name", Input)
        field.focus()
        field.value = "two words"
        await pilot.press("enter")
        await until(pilot, lambda: "SageMaker does not accept" in shown(app), "the refusal")
        field.value = ""
        await pilot.press("enter")
        await until(pilot, lambda: field.value == "tiny", "the name")
        await until(pilot, lambda: "SageMaker does not accept" not in shown(app), "a clean field")
        await until(pilot, lambda: isinstance(screen.focused, Button), "the focus")


async def test_with_a_long_command_and_reason_the_button_stays_in_view() -> None:
    app = Stage()
    plan = a_plan()
    plan = replace(plan, reasons={**plan.reasons, "endpoint.instance_type": "chosen because " + "it is wide " * 16})
    draft = replace(a_draft(plan), role=GivenRole(f"arn:aws:iam::123456789012:role/{'r' * 60}"), name="n" * 60)
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, draft, "review")
        await until(pilot, lambda: "Create endpoint" in shown(app), "the button")
        await pilot.press("up", "down", "down")
        await until(pilot, lambda: "Instance: " in shown(app), "the reason")
        await until_shown(pilot, "Create endpoint")
        await until_shown(pilot, "/month")


async def test_another_model_marks_what_rested_on_the_old_one() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft())
        screen.query_one("#model-input", Input).value = "sample"
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.facts is not None, "the facts")
        await until_shown(pilot, "! 3 Instance")
        assert screen.draft.table is None


async def test_a_click_on_the_stepper_goes_to_a_step_that_was_reached() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "role")
        line = next(line for line in shown(app).splitlines() if "2 Size" in line)
        await pilot.click(offset=(line.index("2 Size") + 1, shown(app).splitlines().index(line)))
        await until(pilot, lambda: screen.current == "size", "the size")


async def test_a_step_that_cannot_be_shown_yet_says_what_is_missing() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        screen = await _open(app)
        screen.go("review")
        assert screen.current == "model"
        await until(pilot, lambda: "First name a model and press Enter." in words(app), "the sentence")


async def test_a_plan_is_saved_once_and_never_over_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, a_draft(a_plan()), "review")
        for answer in ("written", "refused"):
            await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the review")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: isinstance(app.screen, SaveScreen), "the question")
            await pilot.press("enter")
            if answer == "written":
                await until(pilot, lambda: (tmp_path / "tiny.plan.yaml").exists(), "the file")
        await until(pilot, lambda: "There is already a file" in shown(app), "the refusal")
    assert "name: tiny" in (tmp_path / "tiny.plan.yaml").read_text()


async def test_nothing_that_fits_is_said_with_the_smallest_change() -> None:
    app = Stage()
    rows = tuple(row for row in a_table().rows if not row.fit.fits)
    table = replace(a_table(), rows=rows, recommended=None, smallest_change="A shorter context of 1,024 would fit.")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, replace(a_draft(), table=table), "instance")
        await until(pilot, lambda: "No instance type holds this model." in shown(app), "the sentence")
        await until_shown(pilot, "A shorter context of 1,024 would fit.")
        await pilot.press("enter")
        assert screen.current == "instance"
