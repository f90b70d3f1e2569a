"""`sagewizard deploy`: from a model, or a plan, to an endpoint in service."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.errors import CancelledByUser, UsageError
from core.quantities import format_hourly, format_monthly
from tui.command_line import Command
from tui.commands.model_study import (
    choices_from,
    conversion_option,
    limits_from,
    plan_options,
    study,
    transfer_options,
    weight_options,
)
from tui.output import data, message
from tui.progress import shown_run
from tui.session import Session, pass_session
from tui.tables import pairs

if TYPE_CHECKING:
    from core.account import Account
    from core.deployments.ledger import Deployment
    from core.deployments.plan import Plan
    from core.deployments.planner import Choices
    from core.instances.fit import FitTable


@click.command(cls=Command)
@click.argument("target", metavar="MODEL|PLAN")
@plan_options
@weight_options
@conversion_option
@transfer_options
@click.option("--yes", "-y", is_flag=True, help="Ask nothing; take what is recommended.")
@click.option("--no-wait", is_flag=True, help="Return when AWS has accepted to create the endpoint.")
@click.option("--no-rollback", is_flag=True, help="If it fails, leave what was made for a look at it.")
@pass_session
def deploy(
    session: Session,
    /,
    target: str,
    yes: bool,
    no_wait: bool,
    no_rollback: bool,
    limit_rate: int | None,
    disk: int | None,
    **options: Any,
) -> None:
    """Deploy MODEL, or run the plan in the file PLAN, and wait until the endpoint is in service.

    In a terminal it asks for what is missing: the instance, the role, and whether to go on. With --json each event
    is a line of JSON on stdout.
    """
    from core.deployments import runner

    session.stream_events()
    asking = session.may_ask and not yes
    if _is_plan(target):
        account, plan = _from_file(session, Path(target), options)
    else:
        account, plan = _from_model(session, target, options, asking=asking)
    if not yes:
        _confirm(plan, account, asking=asking)
    account_id = account.identity().account_id  # now: what tells of an interrupt must not ask AWS
    with shown_run(session, lambda: left_behind(session, account, account_id, plan.endpoint.name)) as emit:
        made = runner.deploy(
            plan,
            account,
            session.hub(),
            emit=emit,
            cancel=session.cancel,
            wait=not no_wait,
            rollback=not no_rollback,
            limits=limits_from(limit_rate, disk),
        )
    if not session.json:
        data(summary(session, account, made))


def _is_plan(target: str) -> bool:
    from core.deployments.plan_file import looks_like_plan

    return looks_like_plan(target) or os.path.isfile(target)  # noqa: PTH113 - it takes any name, however long


def _from_file(session: Session, path: Path, options: dict[str, Any]) -> "tuple[Account, Plan]":
    from core.aws.roles import find_role
    from core.deployments.placement import refuse_misplacement
    from core.deployments.plan_file import read_plan
    from core.deployments.planner import NEW_ROLE, make_plan
    from core.deployments.preflight import planned_reference
    from core.deployments.revision import choices_over, must_be_decided_anew, revise

    plan = read_plan(path)
    choices = choices_from(session, options, plan)
    anew = must_be_decided_anew(plan, choices, type_asked_for=options["instance_type"] is not None)
    # Other weights, or code that the plan does not have, are other files.
    anew = anew or options["variant"] is not None or (options["remote_code"] and not plan.model.remote_code)
    if not anew:
        refuse_misplacement(plan)
    account = session.account(plan_region=plan.region)
    account.identity()  # before the Hub or the Pricing API is asked anything
    if anew:
        message("What follows from the changed options, such as the image and the time-outs, is decided anew.")
        choices = choices_over(plan, choices)
        looked = study(
            session,
            str(planned_reference(plan)),
            variant=options["variant"],
            remote_code=options["remote_code"] or plan.model.remote_code,
        )
        table = looked.table(session, account.clients, choices)
        return account, make_plan(looked.facts, looked.weights, table, choices, account)
    chosen_role = choices.role if choices.role not in {None, NEW_ROLE, plan.role.arn} else None
    role_arn = find_role(account.clients, chosen_role).arn if chosen_role else None
    return account, _at_price_of_today(session, account, revise(plan, choices, role_arn=role_arn))


def _at_price_of_today(session: Session, account: "Account", plan: "Plan") -> "Plan":
    from core.deployments.revision import at_price_of_its_type
    from core.instances.prices import fetch_prices

    with session.politely():
        priced = at_price_of_its_type(plan, fetch_prices(account.clients, cancel=session.cancel))
    now, planned = (format_hourly(each.endpoint.price_usd_per_hour) for each in (priced, plan))
    if now != planned:
        message(f"The price of {plan.endpoint.instance_type} is {now}; the plan says {planned}.")
    return priced


def _from_model(session: Session, model: str, options: dict[str, Any], *, asking: bool) -> "tuple[Account, Plan]":
    from core.deployments.planner import make_plan

    choices = choices_from(session, options)
    account = session.account()
    account.identity()  # before the Hub is asked anything
    looked = study(session, model, variant=options["variant"], remote_code=options["remote_code"])
    table = looked.table(session, account.clients, choices)
    if asking:
        choices = _ask(choices, account, table)
    return account, make_plan(looked.facts, looked.weights, table, choices, account)


def _ask(choices: "Choices", account: "Account", table: "FitTable") -> "Choices":
    from core.aws.roles import list_roles
    from core.deployments.planner import NEW_ROLE
    from core.instances.catalog import find_instance_type
    from tui.commands.fit import shortlist
    from tui.prompts import ask_instance, ask_role

    rows = shortlist([row for row in table.rows if row.limited_by is None], table.recommended)
    if choices.instance_type is None and rows:
        choices = replace(choices, instance_type=ask_instance(rows, table.recommended))
        find_instance_type(choices.instance_type or "")
    if choices.role is None:
        choices = replace(
            choices, role=ask_role([role for role in list_roles(account.clients) if not role.ours], NEW_ROLE)
        )
    return choices


def _confirm(plan: "Plan", account: "Account", *, asking: bool) -> None:
    from core.deployments.planner import summarise
    from tui.prompts import ask_whether

    message(f"{summarise(plan)}, in the account “{account.label}”.")
    if not asking:
        raise UsageError(
            "Nothing was deployed: an endpoint costs money until it is deleted, and nobody said yes.",
            fix="Add --yes to deploy without being asked.",
        )
    price = "" if account.sandbox else f" for {format_hourly(plan.price_usd_per_hour)}"
    if not ask_whether(f"Create the endpoint{price}?"):
        raise CancelledByUser("Nothing was deployed.")


def left_behind(session: Session, account: "Account", account_id: str, endpoint: str) -> str:
    """Return what the ledgers say may exist of the endpoint's deployment, and how to remove it; empty for nothing."""
    from core.deployments.ledger import find_deployment

    found = find_deployment(account.ledgers, endpoint, region=account.region, account_id=account_id)
    if found is None:
        return ""
    names = ", ".join(f"{resource.kind.replace('_', ' ')} {resource.name}" for resource in found.existing)
    return f"Left in the account: {names}. Remove it: {session.command('endpoints', 'delete', endpoint)}"


def summary(session: Session, account: "Account", made: "Deployment") -> str:
    """Return how a deployment ended, what it costs, and what to do next."""
    name, price = made.endpoint, made.plan.price_usd_per_hour
    state = "is in service" if made.status == "ready" else "is being created"
    cost = f"{format_hourly(price)} ({format_monthly(price)}) until it is deleted"
    return pairs(
        [
            ("Endpoint", f"{name} {state}"),
            ("Cost", f"none in the sandbox; on AWS {cost}" if account.sandbox else cost),
            ("Chat", session.command("chat", name)),
            ("Delete", session.command("endpoints", "delete", name)),
        ]
    )
