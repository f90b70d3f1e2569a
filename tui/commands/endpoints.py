"""`sagewizard endpoints`: the desk: list, show, logs, delete."""

import json
from typing import TYPE_CHECKING, Any

import click

from core.errors import CancelledByUser, SagewizardError, UsageError
from core.quantities import format_hourly
from tui.command_line import Group, endpoint_argument
from tui.output import data, document, message
from tui.progress import ProgressLines
from tui.session import Session, pass_session
from tui.tables import Column, pairs, table

if TYPE_CHECKING:
    from core.deployments.ledger import Resource
    from core.endpoints.desk import EndpointSummary


@click.group(cls=Group, invoke_without_command=True)
@pass_session
@click.pass_context
def endpoints(context: click.Context, session: Session) -> None:
    """List, inspect, follow and delete endpoints, whoever made them. Without a command it lists them."""
    if context.invoked_subcommand is None:
        _list(session)


@endpoints.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the endpoints of the account, and what they cost."""
    _list(session)


def _list(session: Session) -> None:
    from core.endpoints.desk import list_endpoints
    from core.endpoints.details import IDLE_STATUSES

    account = session.account()
    found = list_endpoints(account)
    if session.json:
        document({"endpoints": [_summary_document(endpoint) for endpoint in found]})
        return
    if not found:
        data(f"There are no endpoints in {account.region}.")
        message(f"Make one: {session.command('deploy', 'MODEL')}")
        return
    columns = [
        Column("Endpoint"),
        Column("Status"),
        Column("Instances"),
        Column("Price", number=True),
        Column("Created"),
        Column("Made by"),
    ]
    costing = [endpoint for endpoint in found if endpoint.status not in IDLE_STATUSES]
    data(table(columns, [_summary_cells(endpoint, costs=endpoint in costing) for endpoint in found]))
    prices = [endpoint.price_usd_per_hour for endpoint in costing]
    if known := [price for price in prices if price is not None]:
        more = " and what has no known price" if len(known) < len(prices) else ""
        data(f"\nTogether {format_hourly(sum(known))}{more}.")


def _summary_document(endpoint: "EndpointSummary") -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "status": endpoint.status,
        "instance_type": endpoint.instance_type,
        "instance_count": endpoint.instance_count,
        "created": endpoint.created.isoformat(),
        "ours": endpoint.ours,
        "price_usd_per_hour": endpoint.price_usd_per_hour,
    }


def _summary_cells(endpoint: "EndpointSummary", *, costs: bool) -> list[str]:
    count, type_ = endpoint.instance_count, endpoint.instance_type
    return [
        endpoint.name,
        endpoint.status,
        f"{count} × {type_}" if type_ else "unknown",
        format_hourly(endpoint.price_usd_per_hour) if costs else "–",
        f"{endpoint.created.astimezone():%Y-%m-%d %H:%M}",
        "sagewizard" if endpoint.ours else "others",
    ]


@endpoints.command()
@endpoint_argument
@pass_session
def show(session: Session, name: str) -> None:
    """Show all that is known of the endpoint NAME: why it failed, what it costs, what it is made of."""
    from core.endpoints.desk import show_endpoint
    from tui.commands.endpoint_details import details_document, details_rows

    found = show_endpoint(session.account(), name)
    if session.json:
        document(details_document(found))
    else:
        data(pairs(details_rows(found)))


@endpoints.command()
@endpoint_argument
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl+C.")
@pass_session
def logs(session: Session, name: str, follow: bool) -> None:
    """Print what the containers of the endpoint NAME wrote. With --json each line is a JSON object."""
    from core.endpoints.desk import follow_logs

    # Not politely: reading leaves nothing to clean up, so Ctrl+C need not wait for an answer that is under way.
    for line in follow_logs(session.account(), name, cancel=session.cancel, follow=follow):
        if session.json:
            click.echo(json.dumps({"at": line.at.isoformat(), "stream": line.stream, "text": line.text}))
        else:
            data(f"{line.at.astimezone():%H:%M:%S}  {line.text}")


@endpoints.command()
@endpoint_argument
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, name: str, yes: bool) -> None:
    """Delete the endpoint NAME with all that sagewizard made for it: config, model, artifact, role."""
    from core.endpoints.removal import delete_endpoint, what_would_go

    account = session.account()
    going = what_would_go(account, name)
    if not session.json:
        message("This deletes:")
        for resource in going:
            message(f"  {_called(resource)}")
    if not yes:
        _confirm(session, name)
    with ProgressLines() as lines, session.politely():
        left = delete_endpoint(account, name, emit=lines, cancel=session.cancel)
    if left:
        names = ", ".join(_called(resource) for resource in left)
        raise SagewizardError(
            f"Not all that belongs to {name} could be deleted; still there: {names}.",
            fix=f"Try again: {session.command('endpoints', 'delete', name)}",
        )
    if session.json:
        document({"endpoint": name, "deleted": [{"kind": gone.kind, "name": gone.name} for gone in going]})
    else:
        data(f"{name} is deleted.")


def _called(resource: "Resource") -> str:
    return f"{resource.kind.replace('_', ' ')} {resource.name}"


def _confirm(session: Session, name: str) -> None:
    from tui.prompts import ask_to_type

    if not session.may_ask:
        raise UsageError("Nothing was deleted: nobody said yes.", fix="Add --yes to delete without being asked.")
    if not ask_to_type(name):
        raise CancelledByUser("Nothing was deleted: that was not the name.")
