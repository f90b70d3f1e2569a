import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.widgets import DataTable

from core.account import open_account
from core.endpoints.desk import EndpointSummary
from core.errors import SagewizardError
from core.sandbox import daemon
from core.sandbox.daemon import RunningSandbox
from tests.tui.driving import SANDBOX, Stage, settled, shown, until, until_screen, until_shown, words
from tui.app import SagewizardApp
from tui.context import AppContext
from tui.screens.help import HelpScreen, keys_of
from tui.screens.home import HomeScreen

_NOW = datetime.now(UTC)


def _endpoint(name: str, minutes: int, status: str = "InService") -> EndpointSummary:
    return EndpointSummary(name, status, "ml.m5.large", 1, _NOW - timedelta(minutes=minutes), True, 0.115)


async def _home(app: Stage) -> HomeScreen:
    screen = HomeScreen(app.workspace)
    await app.push_screen(screen)
    return screen


async def test_the_cursor_stays_on_its_endpoint_while_others_come_and_go() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _home(app)
        screen._found((_endpoint("b", 2), _endpoint("a", 3)))
        await pilot.press("down")
        await until(pilot, lambda: screen._at_cursor == "a", "the cursor")
        screen._found((_endpoint("c", 1), _endpoint("b", 2), _endpoint("a", 3)))
        await until(pilot, lambda: screen.names == ("c", "b", "a"), "the new row")
        await settled(pilot)
        assert screen._at_cursor == "a"
        screen._found((_endpoint("c", 1), _endpoint("a", 3)))
        await until(pilot, lambda: screen.names == ("c", "a"), "the rows that are left")
        await settled(pilot)
        assert screen._at_cursor == "a"


async def test_a_change_of_status_changes_a_cell_and_nothing_else() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _home(app)
        screen._found((_endpoint("a", 3, "Creating"),))
        await until(pilot, lambda: "◐ creating" in shown(app), "the row")
        table = screen.query_one(DataTable)
        before = table.get_row_index("a"), list(table.rows.values())
        screen._found((_endpoint("a", 3),))
        await until(pilot, lambda: "● in service" in shown(app), "the new status")
        assert (table.get_row_index("a"), list(table.rows.values())) == before


async def test_without_endpoints_only_what_makes_sense_is_offered() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)):
        screen = await _home(app)
        screen._found(())
        offered = {action: screen.check_action(action, ()) for action in ("new", "chat", "logs", "delete", "refresh")}
        assert offered == {"new": True, "chat": None, "logs": None, "delete": None, "refresh": True}


async def test_a_read_only_session_offers_no_change() -> None:
    app = Stage(replace(SANDBOX, readonly=True))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _home(app)
        screen._found((_endpoint("a", 3),))
        assert [screen.check_action(action, ()) for action in ("new", "delete", "chat")] == [False, False, True]
        assert "▣ SANDBOX  read-only" in await settled(pilot)
        assert "d Delete" not in shown(app)
        said = {says for _, says in keys_of(screen)}
        assert "Chat with the endpoint" in said
        assert not {"Deploy a model", "Delete the endpoint and what was made for it"} & said


async def test_an_account_that_cannot_be_opened_is_explained_and_tried_again(
    isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = SagewizardApp(AppContext(sandbox=False, profile=None, region=None, debug=False))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No AWS region is set." in words(app), "the sentence")
        await until_shown(pilot, "→ Give one with --region")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        await pilot.press("r")
        await until(
            pilot, lambda: "No usable AWS credentials" in words(app) or "No AWS credentials" in words(app), "more"
        )
        assert isinstance(app.screen, HomeScreen)


async def test_a_problem_above_the_table_takes_no_width_from_it() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _home(app)
        screen._found((_endpoint("a", 3),))
        screen._not_found(SagewizardError("AWS did not answer."))
        await until(pilot, lambda: "AWS did not answer." in shown(app), "the problem")
        assert "Ours" in await settled(pilot)


async def test_refreshing_after_the_sandbox_died_starts_it_again(
    isolated_home: Path, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(daemon.stop)
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No endpoints in us-east-1" in shown(app), "the empty list")
        died = daemon.ensure_running()
        os.kill(died.pid, signal.SIGKILL)
        await until(pilot, lambda: daemon.status() is None, "its end")
        await pilot.press("r")
        # Which request meets the dead port first, the list's or the account's own, is a matter of time.
        await until(pilot, lambda: "The sandbox does not answer: it has ended." in words(app), "the problem")
        await until_shown(pilot, "→ Press r on the home screen")
        await pilot.press("r")
        await until(pilot, lambda: (now := daemon.status()) is not None and now.pid != died.pid, "another sandbox")
        await until(pilot, lambda: "does not answer" not in words(app), "the list")
        assert "No endpoints in us-east-1" in await settled(pilot)


async def test_the_list_refreshes_itself(empty_sandbox: RunningSandbox) -> None:
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No endpoints in us-east-1" in shown(app), "the empty list")
        sagemaker = open_account(sandbox=True).clients.get("sagemaker")
        iam = open_account(sandbox=True).clients.get("iam")
        trust = (
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
            '"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
        )
        role = iam.create_role(RoleName="elsewhere", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-cpu"
        sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": image})
        variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="of-others", EndpointConfigName="c")
        await until(pilot, lambda: "of-others" in shown(app), "what somebody else made")
        assert next(line for line in shown(app).splitlines() if "of-others" in line).rstrip().endswith("no")


async def test_help_is_a_key_away_and_goes_away_again(isolated_home: Path) -> None:
    app = SagewizardApp(AppContext(sandbox=False, profile=None, region=None, debug=False))
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("f1", "question_mark"):
            await pilot.press(key)
            await until_screen(pilot, HelpScreen)
            await until_shown(pilot, "Deploy a model")
            await pilot.press("escape")
            await until_screen(pilot, HomeScreen)


async def test_the_palette_offers_each_key_once(isolated_home: Path) -> None:
    app = SagewizardApp(AppContext(sandbox=False, profile=None, region=None, debug=False))
    async with app.run_test(size=(80, 24)):
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert len(titles) == len(set(titles))
        assert {"New", "Refresh", "Quit", "Help"} <= set(titles)
