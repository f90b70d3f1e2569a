"""Deployments as the screens show them, against the real sandbox: failure, stopping, being left alone, chat and log."""

from pathlib import Path

import pytest

from core.account import Account, open_account
from core.cancellation import CancelToken
from core.deployments.ledger import Ledger, list_deployments
from core.deployments.plan import Plan
from core.deployments.planner import Choices, make_plan
from core.deployments.runner import deploy
from core.instances.offers import fetch_offers
from core.instances.survey import survey
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import FolderReference
from core.models.weight_set import select_weight_set
from core.serving.engines import DEPLOYABLE
from tests.e2e.small_model import BROKEN, ECHO, held_back, write_model, write_template
from tests.tui.driving import SANDBOX, shown, type_text, until, until_screen, until_shown, words
from tui import navigation
from tui.app import SagewizardApp
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.deployment import DeploymentScreen
from tui.screens.endpoint import EndpointScreen
from tui.screens.home import HomeScreen
from tui.screens.logs import LogsScreen
from tui.widgets.prompt import Prompt

_STUCK = (
    ECHO
    + """
import time


def transform_fn(model, body, content_type, accept):
    print("thinking hard", flush=True)
    time.sleep(40)
    return b'{"generated_text": "too late"}'
"""
)
_REFUSING = """
def model_fn(model_dir):
    return None


def transform_fn(model, body, content_type, accept):
    raise ValueError("no [/foo] today")
"""
_ENDS_SECONDS = 120


class _Account:
    """The sandbox's account, and plans for it."""

    def __init__(self, folder: Path) -> None:
        self.account: Account = open_account(sandbox=True)
        self._folder = folder

    def plan(self, name: str, code: str) -> Plan:
        model = self._folder / "model"
        if not model.exists():
            write_model(model)
        template = write_template(self._folder / f"template-{name}", code)
        facts = inspect_model(FolderReference(model), HubClient(), CancelToken())
        weights = select_weight_set(facts)
        offers = fetch_offers(self.account.clients, cancel=CancelToken())
        table = survey(facts, weights, offers, engines=DEPLOYABLE)
        return make_plan(facts, weights, table, Choices(name=name, template=str(template)), self.account)

    def endpoint(self, name: str, code: str) -> None:
        deploy(self.plan(name, code), self.account, HubClient(), emit=lambda _: None, cancel=CancelToken())

    def names(self) -> list[str]:
        sagemaker = self.account.clients.get("sagemaker")
        return [item["EndpointName"] for item in sagemaker.list_endpoints()["Endpoints"]]


@pytest.fixture
def account(empty_sandbox: object, tmp_path: Path) -> _Account:
    return _Account(tmp_path)


async def test_a_failure_keeps_the_log_and_says_why_and_what_is_left(account: _Account) -> None:
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: app.workspace.account, "the account")
        app.post_message(navigation.StartRun(account.plan("broken", BROKEN)))
        await until_screen(pilot, DeploymentScreen)
        await until(pilot, lambda: "✗ failed" in shown(app), "the failure", _ENDS_SECONDS)
        await until_shown(pilot, "the weights are upside down")
        await until_shown(pilot, "→")
        await until_shown(pilot, "Undo")
        await until(pilot, lambda: "e Change and retry" in shown(app), "the keys")
        assert account.names() == []
        await pilot.press("escape")
        await until_screen(pilot, HomeScreen)
        await until(pilot, lambda: "broken" in shown(app) and "✗ failed" in shown(app), "the row")
        await pilot.press("enter")
        await until_screen(pilot, DeploymentScreen)
        await until_shown(pilot, "the weights are upside down")
        await pilot.press("d")
        await until(pilot, lambda: "No endpoints in us-east-1" in shown(app), "the empty list")
        assert app.workspace.farewell == ""


async def test_what_an_earlier_session_began_is_gone_on_with_from_home(account: _Account) -> None:
    opened = account.account
    account_id = opened.identity().account_id
    with Ledger.start(opened.ledgers, account.plan("begun", ECHO), account_id) as ledger:
        ledger.record("bucket", f"sagemaker-us-east-1-{account_id}", "creating")  # then its session was killed
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(100, 40)) as pilot:
        await until_shown(pilot, "✗ interrupted")
        await pilot.press("enter")
        await until_screen(pilot, DeploymentScreen)
        await until_shown(pilot, "r Resume")
        await pilot.press("r")
        chat = await until_screen(pilot, ChatScreen, _ENDS_SECONDS)
        await until(pilot, lambda: chat.is_open, "the conversation")
        assert account.names() == ["begun"]
        assert [found.status for found in list_deployments(opened.ledgers) if found.endpoint == "begun"] == ["ready"]


async def test_stopping_undoes_what_was_made(account: _Account, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: app.workspace.account, "the account")
        app.post_message(navigation.StartRun(account.plan("slow", held_back(gate))))
        await until_screen(pilot, DeploymentScreen)
        await until(pilot, lambda: account.names() == ["slow"], "the endpoint")
        await pilot.press("c")
        await until_screen(pilot, ConfirmScreen)
        await pilot.press("escape")  # the first answer, and Esc, change nothing
        await until_screen(pilot, DeploymentScreen)
        assert app.workspace.active_runs
        await pilot.press("c")
        await until_screen(pilot, ConfirmScreen)
        await pilot.press("right", "enter")
        await until(pilot, lambda: [run.word for run in app.workspace.active_runs] == ["cancelling"], "the stop")
        gate.touch()
        await until(pilot, lambda: "■ stopped as asked" in shown(app), "the end", _ENDS_SECONDS)
        assert account.names() == []


async def test_a_deployment_goes_on_at_home_and_quitting_asks_about_it(account: _Account, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: app.workspace.account, "the account")
        app.post_message(navigation.StartRun(account.plan("slow", held_back(gate))))
        await until_screen(pilot, DeploymentScreen)
        await pilot.press("escape")
        home = await until_screen(pilot, HomeScreen)
        await until(pilot, lambda: "slow" in shown(app) and "◐" in shown(app), "the row")
        await pilot.press("q")
        await until_screen(pilot, ConfirmScreen)
        await until_shown(pilot, "slow is still being deployed")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is home, "the list")
        await pilot.press("enter")
        await until_screen(pilot, DeploymentScreen)
        gate.touch()
        chat = await until_screen(pilot, ChatScreen, _ENDS_SECONDS)
        await until(pilot, lambda: chat.is_open, "the conversation")
        assert "sagewizard --sandbox endpoints delete slow" in app.workspace.farewell


async def test_an_answer_that_fails_gives_the_text_back(account: _Account) -> None:
    account.endpoint("refusing", _REFUSING)
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "● in service" in shown(app), "the endpoint")
        await pilot.press("c")
        chat = await until_screen(pilot, ChatScreen)
        await until(pilot, lambda: chat.is_open, "the conversation")
        await type_text(pilot, "hello")
        await pilot.press("enter")
        await until(pilot, lambda: "no [/foo] today" in words(app), "the error")
        await until(pilot, lambda: chat.query_one(Prompt).text == "hello", "the text")
        await until(pilot, lambda: chat.focused is chat.query_one(Prompt), "the focus")
        await until(pilot, lambda: not chat.query(".message"), "a conversation as before")
        assert chat.answers == ()


async def test_waiting_for_an_answer_can_be_given_up(account: _Account) -> None:
    account.endpoint(
        "stuck", _STUCK.replace("predict_fn", "_predict").replace("input_fn", "_in").replace("output_fn", "_out")
    )
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "● in service" in shown(app), "the endpoint")
        await pilot.press("c")
        chat = await until_screen(pilot, ChatScreen)
        await until(pilot, lambda: chat.is_open, "the conversation")
        await type_text(pilot, "well?")
        await pilot.press("enter")
        await until(pilot, lambda: "esc stops waiting" in shown(app), "the wait")
        assert chat.query_one(Prompt).disabled
        await pilot.press("escape")
        await until(pilot, lambda: not chat.query_one(Prompt).disabled, "the field")
        await until(pilot, lambda: chat.query_one(Prompt).text == "well?", "the text")
        assert app.screen is chat
        await pilot.press("escape")
        await until_screen(pilot, HomeScreen)


async def test_an_endpoint_is_inspected_and_its_log_is_read(account: _Account) -> None:
    account.endpoint("echo", 'print("hello [/foo] from the container", flush=True)\n' + ECHO)
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "● in service" in shown(app), "the endpoint")
        await pilot.press("enter")
        await until_screen(pilot, EndpointScreen)
        await until(pilot, lambda: "s3://sagemaker-us-east-1-" in shown(app), "the values")
        await until_shown(pilot, "arn:aws:sagemaker:us-east-1:")
        await pilot.press("l")
        await until_screen(pilot, LogsScreen)
        await until(pilot, lambda: "hello [/foo] from the container" in shown(app), "the log")
        await pilot.press("f")
        await until(pilot, lambda: "■ held still" in shown(app), "the word")
        await pilot.press("escape")
        await until_screen(pilot, EndpointScreen)
