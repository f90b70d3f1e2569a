"""The whole of it, by keyboard alone, against the real sandbox: nothing of core or of AWS is replaced."""

import pytest

from core.account import open_account
from core.endpoints.desk import list_endpoints
from core.sandbox.daemon import RunningSandbox
from tests.inventory import inventory
from tests.tui.driving import SANDBOX, shown, type_text, until, until_screen, until_shown
from tui.app import SagewizardApp
from tui.screens.chat import ChatScreen
from tui.screens.delete import DeleteScreen
from tui.screens.deployment import DeploymentScreen
from tui.screens.home import HomeScreen
from tui.screens.wizard import WizardScreen

_SERVING_SECONDS = 180


@pytest.mark.timeout(400)
async def test_from_nothing_to_a_chat_and_back_to_nothing(empty_sandbox: RunningSandbox) -> None:
    before = inventory(open_account(sandbox=True).clients.get)
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No endpoints in us-east-1" in shown(app), "the empty list")
        await until_shown(pilot, "SANDBOX")
        await until(pilot, lambda: "123456789012" in shown(app), "the account's number")

        await pilot.press("n")
        wizard = await until_screen(pilot, WizardScreen)
        await until(pilot, lambda: "Which model?" in shown(app), "the first step")
        await pilot.press("enter")  # the sample model is filled in
        await until(pilot, lambda: "GPTNeoForCausalLM" in shown(app), "the model's facts")
        await pilot.press("enter")
        await until(pilot, lambda: "model.safetensors" in shown(app), "the files")
        await until(pilot, lambda: wizard.draft.table is not None, "the fits")
        await pilot.press("enter")
        await until(pilot, lambda: "★ recommended" in shown(app), "the instances")
        await pilot.press("enter")
        await until(pilot, lambda: "Create a role for this endpoint" in shown(app), "the roles")
        await pilot.press("enter")
        await until(pilot, lambda: "Create endpoint – $" in shown(app), "the review")
        await until_shown(pilot, "sagewizard --sandbox deploy sample --yes")

        await pilot.press("enter")
        await until_screen(pilot, DeploymentScreen)
        chat = await until_screen(pilot, ChatScreen, _SERVING_SECONDS)
        await until(pilot, lambda: chat.is_open and "/h" in shown(app), "the conversation, and what it costs")
        await type_text(pilot, "What is an endpoint?")
        await pilot.press("enter")
        await until(pilot, lambda: len(chat.answers) == 1, "the answer", _SERVING_SECONDS)
        answer = chat.answers[0]
        assert "endpoint" in answer.lower() or "model" in answer.lower()
        await until(pilot, lambda: answer.split()[0] in shown(app), "the answer's text")
        await until_shown(pilot, "What is an endpoint?")

        await pilot.press("escape")
        await until_screen(pilot, HomeScreen)
        await until(pilot, lambda: "● in service" in shown(app), "the endpoint in the list")
        await pilot.press("d")
        await until_screen(pilot, DeleteScreen)
        await until(pilot, lambda: "its artifact" in shown(app), "what goes")
        await pilot.press("enter")  # nothing is typed yet: nothing happens
        assert isinstance(app.screen, DeleteScreen)
        await type_text(pilot, "sample")
        await pilot.press("enter")
        await until_screen(pilot, HomeScreen)
        await until(pilot, lambda: "No endpoints in us-east-1" in shown(app), "the empty list", _SERVING_SECONDS)
        assert app.workspace.farewell == ""
        await pilot.press("q")
    assert app.return_code == 0
    account = open_account(sandbox=True)
    assert list_endpoints(account) == ()
    assert inventory(account.clients.get) == before
