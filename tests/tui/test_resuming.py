"""A deployment that can be gone on with: after a failure of this session, and after an earlier session was cut off."""

from pathlib import Path

import pytest

from core.account import Account, open_account
from core.deployments.events import Event
from core.deployments.ledger import Ledger
from core.deployments.plan import Plan
from core.errors import SagewizardError, SignInExpiredError, UnreachableError
from tests.tui.driving import SANDBOX, Stage, shown, until, until_screen, until_shown, words
from tests.tui.samples import BEGUN, a_draft, a_failed_run, a_transferring_run
from tests.unit.plans import a_plan
from tui import calls, navigation
from tui.app import SagewizardApp
from tui.context import AppContext
from tui.deployer import Deployer
from tui.runs import DeploymentRun, earlier_run
from tui.screens.deployment import DeploymentScreen
from tui.screens.home import HomeScreen

_FIX = "Check the network. Then go on from here with `sagewizard resume d1`; `sagewizard rollback d1` removes it."
_READONLY = AppContext(sandbox=True, profile=None, region=None, debug=False, readonly=True)


def a_broken_off_run() -> DeploymentRun:
    run = a_transferring_run()
    run.draft = a_draft()
    run.apply(Event("d1", "upload", "failed", "S3 did not answer.", at=BEGUN))
    run.finish("failed", UnreachableError("S3 did not answer.", fix=_FIX))
    run.left = True
    return run


class _Resuming(Stage):
    """Goes on with what it is asked to, as the app does."""

    def __init__(self, context: AppContext = SANDBOX) -> None:
        super().__init__(context)
        self.deployer = Deployer(self, self.workspace)
        self.deleting: list[str] = []
        self.resumed: list[DeploymentRun] = []

    def on_resume_run(self, event: navigation.ResumeRun) -> None:
        self.resumed.append(self.deployer.resume(event.run))

    def on_ask_to_delete(self, event: navigation.AskToDelete) -> None:
        self.deleting.append(event.name)


def _resume_ends_with(
    monkeypatch: pytest.MonkeyPatch, error: SagewizardError | None, *, tells: bool = True
) -> list[str]:
    """Have going on tell of its first stage and end so; return the ids that it is asked for."""
    asked: list[str] = []

    def resume(deployment: str, _account: object, _hub: object, emit: object, _cancel: object) -> None:
        asked.append(deployment)
        assert callable(emit)
        if tells:
            emit(Event(deployment, "inspect", "started", "Checking org/tiny and the account"))
        if error is not None:
            raise error

    monkeypatch.setattr(calls, "resume", resume)
    monkeypatch.setattr(calls, "may_be_left", lambda *_: True)
    monkeypatch.setattr("tui.workspace.Workspace.open_account", lambda _: None)
    return asked


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)], ids=str)
async def test_what_was_left_to_be_gone_on_with_is_gone_on_with_by_a_key(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _resume_ends_with(monkeypatch, None)
    app = _Resuming()
    run = a_broken_off_run()
    app.workspace.runs.append(run)
    async with app.run_test(size=size) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await until_shown(pilot, "r Resume")
        await until_shown(pilot, "✗ S3 did not answer.")
        await pilot.press("r")
        await until(pilot, lambda: app.resumed and app.resumed[0].word == "ready", "its end")
        assert asked == ["d1"]
        again = app.resumed[0]
        assert (again.plan, again.draft, again.deployment) == (run.plan, run.draft, "d1")
        assert again.stages["inspect"].message == "Checking org/tiny and the account"
        assert not run.awaits_reader
        assert app.workspace.runs == [run, again]


@pytest.mark.parametrize("lack", ["the fix", "what it made", "leave"])
async def test_what_cannot_be_gone_on_with_is_not_offered_to(lack: str) -> None:
    app = _Resuming(_READONLY if lack == "leave" else SANDBOX)
    run = a_failed_run() if lack == "the fix" else a_broken_off_run()
    run.left = lack != "what it made"
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await until_shown(pilot, "d Dismiss")
        assert "Resume" not in shown(app)
        await pilot.press("r")
        await until_shown(pilot, "e Change and retry")
        assert app.resumed == []


async def test_going_on_that_failed_before_it_began_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _resume_ends_with(monkeypatch, SignInExpiredError("The AWS sign-in has expired.", fix="Sign in."), tells=False)
    app = _Resuming()
    async with app.run_test(size=(80, 24)) as pilot:
        again = app.deployer.resume(a_broken_off_run())
        await until(pilot, lambda: again.word == "failed", "its end")
        await app.push_screen(DeploymentScreen(app.workspace, again))
        await until_shown(pilot, "r Resume")


async def test_going_on_that_failed_for_good_is_not_offered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _resume_ends_with(monkeypatch, SagewizardError("model.safetensors changed.", fix="Make the plan anew."))
    app = _Resuming()
    async with app.run_test(size=(80, 24)) as pilot:
        again = app.deployer.resume(a_broken_off_run())
        await until(pilot, lambda: again.word == "failed", "its end")
        assert again.left
        assert not again.can_go_on


async def test_the_new_run_takes_the_place_of_the_failed_one(
    isolated_home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resume_ends_with(monkeypatch, SignInExpiredError("Again.", fix=_FIX))
    app = SagewizardApp(SANDBOX)
    app.open_account = lambda: None  # type: ignore[method-assign]
    run = a_broken_off_run()
    app.workspace.runs.append(run)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(navigation.OpenRun(run))
        await until_screen(pilot, DeploymentScreen)
        await pilot.press("r")
        await until_shown(pilot, "✗ Again.")
        assert len(app.screen_stack) == 2
        assert len(app.workspace.runs) == 2


def test_what_can_be_gone_on_with_is_named_in_the_shell() -> None:
    app = _Resuming()
    app.workspace.runs.append(a_broken_off_run())
    on, off = "sagewizard --sandbox resume d1", "sagewizard --sandbox rollback d1"
    assert app.workspace.farewell == f"tiny is not deployed yet. Go on: {on} · remove what is there: {off}\n"


# -- of earlier sessions ----------------------------------------------------------------------------------------------


@pytest.fixture
def account(sandbox_home: Path) -> Account:
    """The sandbox's account, on a machine that has no ledgers yet."""
    opened = open_account(sandbox=True)
    for ledger in opened.ledgers.glob("*"):
        ledger.unlink()
    return opened


def _ledger(
    account: Account,
    name: str,
    *made: str,
    status: str | None = None,
    fix: str | None = None,
    region: str = "us-east-1",
    account_id: str | None = None,
) -> str:
    """Write the ledger of a deployment that made something and came so far; return its id."""
    plan: Plan = a_plan(name, region)
    with Ledger.start(account.ledgers, plan, account_id or account.identity().account_id) as ledger:
        for kind in made:
            ledger.record(kind, name, "creating")  # type: ignore[arg-type]
        if status:
            told = fix and fix.format(ledger.deployment.id)
            ledger.finish(status, cause="No network." if told else None, fix=told)  # type: ignore[arg-type]
        return ledger.deployment.id


def test_what_can_be_gone_on_with_is_found_in_the_ledgers_of_this_account_and_region(account: Account) -> None:
    cut_off = _ledger(account, "cut-off", "bucket", "object")
    failed = _ledger(account, "failed", "object", status="failed", fix="Then go on with `sagewizard resume {}`.")
    _ledger(account, "undone-in-part", "role", status="failed", fix="Still there: role r.")
    _ledger(account, "elsewhere", "object", region="eu-west-1")
    _ledger(account, "anothers", "object", account_id="999999999999")
    _ledger(account, "has-endpoint", "object", "endpoint")
    _ledger(account, "ready", "object", status="ready")
    found = {deployment.id: why for deployment, why in calls.unfinished_deployments(account)}
    assert set(found) == {cut_off, failed}
    assert found[failed].message == "No network."
    assert found[cut_off].message == "The program ended before this was done."
    for deployment, why in found.items():
        assert f"resume {deployment}" in why.fix
    assert f"`sagewizard --sandbox rollback {cut_off}` removes what is there" in found[cut_off].fix
    with Ledger.reopen(account.ledgers, cut_off):  # somebody works on it now
        assert [deployment.id for deployment, _ in calls.unfinished_deployments(account)] == [failed]


async def test_home_lists_what_an_earlier_session_left_and_takes_it_away(account: Account) -> None:
    cut_off = _ledger(account, "cut-off", "object")
    app = _Resuming()
    ((deployment, why),) = calls.unfinished_deployments(account)
    run = earlier_run(deployment, why)
    app.workspace.runs.append(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(HomeScreen(app.workspace))
        await until_shown(pilot, "✗ interrupted")
        await pilot.press("d")
        await until(pilot, lambda: app.deleting == ["cut-off"], "the question")
        assert app.workspace.farewell == ""
        await app.push_screen(DeploymentScreen(app.workspace, run))
        await until_shown(pilot, "The program ended before this was done.")
        await until(pilot, lambda: cut_off in words(app), "the command")
        await until_shown(pilot, "r Resume")
        assert "Change and retry" not in shown(app)


async def test_the_program_lists_them_once_however_often_the_account_is_opened(account: Account) -> None:
    _ledger(account, "cut-off", "object")
    app = SagewizardApp(SANDBOX)
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "✗ interrupted")
        app.post_message(navigation.OpenAccount())
        await until(pilot, lambda: app.workspace.account is None or app.calls.busy("identity"), "the opening")
        await until(pilot, lambda: app.workspace.account and not app.calls.busy("unfinished"), "the account")
        await until_shown(pilot, "✗ interrupted")
        assert [run.name for run in app.workspace.runs] == ["cut-off"]
        await pilot.press("enter")
        await until_screen(pilot, DeploymentScreen)
        await until_shown(pilot, "r Resume")
