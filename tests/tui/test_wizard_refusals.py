"""What the wizard's steps do when core says no: the reason stands where it can be put right, and so does the focus."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from textual.widgets import Button, DataTable, Input

from core.account import Account, open_account
from core.aws.policies import trust_policy
from core.errors import AccessError, NotFoundError, RefusedError, SagewizardError, UnreachableError
from core.instances.catalog import catalog
from tests.tui.driving import SANDBOX, Stage, settled, shown, type_text, until, until_shown, words
from tests.tui.samples import a_draft, a_row, a_table, some_facts
from tests.unit.plans import a_plan
from tui import calls
from tui.draft import Draft, GivenRole, NewRole, StepName
from tui.screens.wizard import WizardScreen
from tui.widgets.steps.role_step import role_options
from tui.widgets.steps.step import RoleTyped

_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def account(sandbox_home: Path) -> Account:
    return open_account(sandbox=True)


async def _open(app: Stage, draft: Draft | None = None, at: StepName = "model") -> WizardScreen:
    app.workspace.draft = draft
    screen = WizardScreen(app.workspace, at=at)
    await app.push_screen(screen)
    return screen


# -- the model --------------------------------------------------------------------------------------------------------


async def test_what_was_found_is_not_shown_beside_another_name() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft())
        await until_shown(pilot, "✓ Found. Enter goes on.")
        await pilot.press("end")
        await type_text(pilot, "x")
        await until_shown(pilot, "Enter looks at it.")
        assert "Found" not in shown(app)
        assert "GPTNeoXForCausalLM" not in shown(app)
        await pilot.press("backspace")
        await until_shown(pilot, "✓ Found. Enter goes on.")
        await until_shown(pilot, "GPTNeoXForCausalLM")
        assert screen.draft == a_draft().visited("model")


# -- the size and the instance ----------------------------------------------------------------------------------------


async def test_what_is_not_known_of_memory_is_told_with_its_reason() -> None:
    app = Stage()
    app.workspace.problem = SagewizardError("No AWS region is set.", fix="Give one with --region.")
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, replace(a_draft(), table=None), "size")
        await until_shown(pilot, "not known: No AWS region is set.")
        assert "working out" not in shown(app)


async def test_nothing_is_said_to_be_worked_out_before_it_is_asked() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, replace(a_draft(), table=None), "size")
        await until_shown(pilot, "model-00001-of-0")
        assert "working out" not in await settled(pilot)


async def test_a_refused_type_stays_in_view_and_is_told_of_in_short() -> None:
    app = Stage()
    names = [instance.name for instance in catalog().values() if instance.gpu][:24]
    rows = tuple(a_row(name, 1.0, "gpu") for name in names)
    table = replace(a_table(), rows=rows, recommended=None, smallest_change="A shorter context of 1,024 would fit.")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, replace(a_draft(), table=table), "instance")
        await until_shown(pilot, names[0])
        listing = screen.query_one("#instances", DataTable)
        last = listing.scrollable_content_region.height - 2
        await pilot.press(*["down"] * last)
        await until(pilot, lambda: listing.cursor_row == last, "the last row in view")
        await pilot.press("enter")
        await until(pilot, lambda: f"{names[last]} does not hold this model" in words(app), "the refusal")
        text = await settled(pilot)
        assert sum(names[last] in line and "✗ GPU memory" in line for line in text.splitlines()) == 1
        assert "✗ It needs 20 GiB of memory of each GPU, 18 GiB is usable." in text


# -- the role ---------------------------------------------------------------------------------------------------------


def test_a_role_made_for_one_endpoint_is_not_offered_for_another() -> None:
    offered = [option.id for option in role_options(a_draft(), asking=False)]
    assert offered == ["new", "arn:aws:iam::123456789012:role/AmazonSageMaker-ExecutionRole"]


@pytest.mark.parametrize("size", [(80, 24), (60, 15)], ids=str)
async def test_a_typed_role_that_cannot_be_is_refused_beside_the_field(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    app = Stage()
    app.workspace.account = account
    async with app.run_test(size=size) as pilot:
        screen = await _open(app, a_draft(), "role")
        await pilot.press("tab")
        await type_text(pilot, "nobody")
        await pilot.press("enter")
        await until_shown(pilot, "The account has no role “nobody”.")
        field = screen.query_one("#role-input", Input)
        await until(pilot, lambda: field.has_class("-invalid"), "the mark at the field")
        assert screen.current == "role"
        assert screen.focused is field
        assert field.value == "nobody"
        assert screen.draft.role is None
        await pilot.press("backspace")
        await until(pilot, lambda: "no role" not in shown(app), "a clean field")
        assert not field.has_class("-invalid")


async def test_a_typed_role_must_trust_sagemaker(account: Account) -> None:
    iam = account.clients.get("iam")
    trusting, other = f"trusting-{uuid4().hex[:8]}", f"other-{uuid4().hex[:8]}"
    for name, trust in ((trusting, trust_policy()), (other, _LAMBDA)):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    app = Stage()
    app.workspace.account = account
    async with app.run_test(size=(120, 24)) as pilot:
        screen = await _open(app, a_draft(), "role")
        field = screen.query_one("#role-input", Input)
        field.focus()
        field.value = other
        await pilot.press("enter")
        await until_shown(pilot, f"SageMaker may not take on the role {other}")
        assert screen.current == "role"
        field.value = trusting
        await pilot.press("enter")
        await until(pilot, lambda: screen.current == "review", "the review")
        assert screen.draft.role == GivenRole(trusting)


async def test_a_role_that_is_still_looked_for_does_not_lead_on_from_another_step(
    monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(calls, "check_role", lambda *_: ended.append(True))
    app = Stage()
    app.workspace.account = account
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "role")
        screen._role_typed(RoleTyped("mine"))
        screen.go("size")
        await until(pilot, lambda: ended, "the end of the call")
        await settled(pilot)
        assert screen.current == "size"
        assert screen.draft.role_choice == NewRole()


async def test_a_typed_role_is_looked_at_alone_and_not_among_all_others(
    monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    from core.aws import roles

    def denied(_: object) -> None:
        raise AccessError("Could not list the account's roles: AWS denied it.")

    made = {f"{word}-{uuid4().hex[:8]}": trust for word, trust in (("good", trust_policy()), ("bad", _LAMBDA))}
    for name, trust in made.items():
        account.clients.get("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    monkeypatch.setattr(roles, "list_roles", denied)
    good, bad = made
    assert calls.check_role(account, good).name == good
    with pytest.raises(RefusedError, match="may not take on the role"):
        calls.check_role(account, bad)
    with pytest.raises(NotFoundError):
        calls.check_role(account, "nobody")


# -- the review -------------------------------------------------------------------------------------------------------


async def test_a_name_that_is_taken_is_refused_at_its_field_and_the_next_one_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    made: list[str | None] = []

    def make_plan(_: Account, draft: Draft) -> object:
        made.append(draft.name)
        if draft.name == "taken":
            raise RefusedError("There is already an endpoint named “taken” in us-east-1.", fix="Choose another name.")
        return a_plan(draft.name or "tiny")

    monkeypatch.setattr(calls, "make_plan", make_plan)
    app = Stage()
    app.workspace.account = account
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "review")
        await until(pilot, lambda: isinstance(screen.focused, Button), "the button")
        field = screen.query_one("#name", Input)
        field.focus()
        field.value = "taken"
        await pilot.press("enter")
        await until_shown(pilot, "There is already an endpoint named “taken”")
        await until(pilot, lambda: screen.focused is field and field.has_class("-invalid"), "the field")
        await settled(pilot)
        assert made == [None, "taken"]
        await pilot.press("end", "2")
        await pilot.press("enter")
        await until_shown(pilot, "Create endpoint – $0.115/h")
        await until(pilot, lambda: isinstance(screen.focused, Button), "the button")
        await settled(pilot)
        assert made == [None, "taken", "taken2"]
        assert not field.has_class("-invalid")


async def test_a_review_that_failed_keeps_the_proposed_name_a_proposal(
    monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    tried = 0

    def make_plan(*_: object) -> object:
        nonlocal tried
        tried += 1
        raise UnreachableError("Could not look up the name: AWS did not answer.")

    monkeypatch.setattr(calls, "make_plan", make_plan)
    app = Stage(replace(SANDBOX, sandbox=False))
    app.workspace.account = account
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(), "role")
        screen.query_one("#name", Input).value = "tiny"
        screen.go("review")
        await until_shown(pilot, "AWS did not answer")
        screen._set(screen.draft)  # shown again and again, the field is not marked: it is not the name's fault
        field = screen.query_one("#name", Input)
        await until(pilot, lambda: screen.focused is field, "the field")
        await pilot.press("enter")
        await until(pilot, lambda: tried == 2, "another try")
        await until(pilot, lambda: screen.focused is field, "the field")
        assert not field.has_class("-invalid")
        await pilot.press("escape")
        await until(pilot, lambda: screen.current == "role", "the step before")
        await settled(pilot)
        assert screen.draft.name is None


async def test_core_names_no_option_where_there_is_none(account: Account) -> None:
    name, sagemaker = f"taken-{uuid4().hex[:8]}", account.clients.get("sagemaker")
    role = account.clients.get("iam").create_role(
        RoleName=f"r-{name}", AssumeRolePolicyDocument=json.dumps(trust_policy())
    )["Role"]["Arn"]
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-cpu"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": image})
    app = Stage()
    app.workspace.account = account
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, replace(a_draft(), facts=some_facts(), name=name), "review")
        await until_shown(pilot, f"named “{name}”")
        await until_shown(pilot, "→ Choose another name.")
        assert "--name." not in words(app)


async def test_the_command_to_run_a_saved_plan_is_for_the_same_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Stage(replace(SANDBOX, region="eu-west-1"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_draft(a_plan()), "review")
        assert screen.command == "sagewizard --sandbox --region eu-west-1 deploy org/tiny --yes"
        screen._saved(Path("my plan.yaml"))
        await pilot.pause()
        said = [notice.message for notice in app._notifications]
        assert said == ["Saved. Run it later: sagewizard --sandbox --region eu-west-1 deploy 'my plan.yaml'"]
