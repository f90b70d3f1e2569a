"""Text from outside is shown letter by letter: no markup, no action, no control sequence, no crash."""

from dataclasses import replace

import pytest
from textual import events
from textual.containers import VerticalScroll
from textual.widgets import Input

from core.aws.roles import Role
from core.endpoints.desk import EndpointSummary
from core.endpoints.details import EndpointDetails
from core.errors import SagewizardError
from tests.tui.driving import Stage, shown, until, until_shown
from tests.tui.samples import BEGUN, a_draft, a_failed_run, some_facts, some_weights
from tests.unit.few_details import few_details
from tests.unit.plans import a_plan
from tui.screens.confirm import Choice, ConfirmScreen, Question
from tui.screens.deployment import DeploymentScreen
from tui.screens.endpoint import EndpointScreen
from tui.screens.home import HomeScreen
from tui.screens.notice import NoticeScreen
from tui.screens.wizard import WizardScreen
from tui.widgets.chat_message import AnswerMessage, QuestionMessage
from tui.widgets.prompt import Prompt

HOSTILE = [
    "[/foo]",
    "[INST] x [/INST]",
    "[@click=app.exit]x[/]",
    "[link=https://x]y[/link]",
    "x[/",
    "[b",
    "\\[x]",
    "$x",
]
hostile = pytest.mark.parametrize("text", HOSTILE)


@hostile
async def test_home_shows_names_as_they_are(text: str) -> None:
    app = Stage()
    async with app.run_test(size=(100, 24)) as pilot:
        screen = HomeScreen(app.workspace)
        await app.push_screen(screen)
        screen._found((EndpointSummary(text, text, text, 1, BEGUN, False, 1.5),))
        await until_shown(pilot, "1.500")
        row = next(line for line in shown(app).splitlines() if "1.500" in line)
        assert row.count(text[:15]) >= 2


@hostile
async def test_errors_are_shown_as_they_are(text: str) -> None:
    app = Stage()
    async with app.run_test(size=(100, 24)) as pilot:
        await app.push_screen(NoticeScreen(f"title {text}", SagewizardError(f"cause {text}.", fix=f"fix {text}.")))
        await pilot.pause()
        for part in ("title", "cause", "fix"):
            await until_shown(pilot, f"{part} {text}")


@hostile
async def test_questions_are_asked_as_they_are(text: str) -> None:
    app = Stage()
    async with app.run_test(size=(100, 24)) as pilot:
        question = Question(f"title {text}", f"text {text}", (Choice("stay", f"stay {text}"), Choice("go", "go")))
        await app.push_screen(ConfirmScreen(question))
        await pilot.pause()
        for part in ("title", "text", "stay"):
            await until_shown(pilot, f"{part} {text}")


@hostile
async def test_the_wizard_shows_facts_files_and_roles_as_they_are(text: str) -> None:
    app = Stage()
    role = Role(f"role {text}", f"arn {text}", BEGUN, ours=False)
    facts = replace(some_facts(warning=f"warning {text}"), license=f"licence {text}")
    draft = replace(a_draft(), facts=facts, weights=some_weights(f"file {text}", f"reason {text}"), roles=(role,))
    app.workspace.draft = replace(draft, notes=(f"note {text}",))
    async with app.run_test(size=(120, 40)) as pilot:
        screen = WizardScreen(app.workspace)
        await app.push_screen(screen)
        for step, parts in (
            ("model", ("licence", "warning", "note")),
            ("size", ("file", "reason")),
            ("role", ("role", "arn")),
        ):
            screen.go(step)  # type: ignore[arg-type]
            await pilot.pause()
            for part in parts:
                await until_shown(pilot, f"{part} {text}")


@hostile
async def test_the_review_shows_the_plan_as_it_is(text: str) -> None:
    app = Stage()
    plan = a_plan()
    plan = replace(
        plan,
        model=replace(plan.model, reference=f"model {text}"),
        artifact=replace(plan.artifact, template=f"template {text}", bucket=f"bucket {text}"),
        reasons={"endpoint.instance_type": f"why {text}"},
    )
    app.workspace.draft = a_draft(plan)
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(WizardScreen(app.workspace, at="review"))
        await pilot.pause()
        for part in ("model", "template", "bucket", "why"):
            await until_shown(pilot, f"{part} {text}")


@hostile
async def test_a_deployment_shows_its_log_and_its_failure_as_they_are(text: str) -> None:
    app = Stage()
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, a_failed_run(f"line {text}")))
        await until(pilot, lambda: shown(app).count(f"line {text}") >= 3, "stage, log and problem")


@hostile
async def test_an_endpoint_shows_its_values_as_they_are(text: str) -> None:
    app = Stage()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = EndpointScreen(app.workspace, f"name {text}")
        await app.push_screen(screen)
        await until(pilot, lambda: "The account is not open yet" in shown(app), "the answer of a program at rest")
        screen._found(_details(text))
        await pilot.pause()
        for part in ("name", "reason", "image", "key", "value"):
            await until_shown(pilot, f"{part} {text}")


def _details(text: str) -> EndpointDetails:
    return few_details(
        name=f"name {text}",
        status="Failed",
        failure_reason=f"reason {text}",
        image=f"image {text}",
        environment={f"key {text}": f"value {text}"},
    )


@pytest.mark.parametrize("text", [text for text in HOSTILE if text != "\\[x]"])  # Markdown takes the backslash away
async def test_chat_shows_questions_and_answers_as_they_are(text: str) -> None:
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        answer = AnswerMessage(f"name {text}")
        await app.mount(VerticalScroll(QuestionMessage(f"asked {text}"), answer))
        for piece in ("said ", text):
            await answer.add(piece)
        await answer.finish(f"note {text}")
        await until(pilot, lambda: f"said {text}" in shown(app), "the answer")
        for part in ("name", "asked", "note"):
            await until_shown(pilot, f"{part} {text}")


class _Listening(Stage):
    """Notes what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        self.sent.append(event.text)


async def test_what_is_pasted_loses_its_control_sequences() -> None:
    app = _Listening()
    async with app.run_test(size=(100, 30)) as pilot:
        screen = WizardScreen(app.workspace)
        await app.push_screen(screen)
        await pilot.pause()
        screen.query_one("#model-input", Input).post_message(events.Paste("bad name\x1b[2J\x9b1m"))
        await pilot.press("enter")
        await until(pilot, lambda: "neither a Hub model nor a folder" in shown(app), "the refusal")
        assert not {"\x1b", "\x9b"} & set(shown(app))

        prompt = Prompt(placeholder="")
        await screen.mount(prompt)
        prompt.focus()
        prompt.post_message(events.Paste("hello\x1b]52;c;Zm9v\x07 there"))
        await pilot.press("enter")
        await until(pilot, lambda: app.sent, "the message")
        assert app.sent == ["hello there"]
