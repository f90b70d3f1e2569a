"""`sagewizard sandbox`: the local stand-in for an AWS account."""

import shlex
from typing import TYPE_CHECKING, Any

import click

from tui.command_line import Group
from tui.output import data, document, message
from tui.session import Session, pass_session
from tui.tables import Column, pairs, table

if TYPE_CHECKING:
    from core.sandbox.daemon import RunningSandbox


@click.group(cls=Group)
def sandbox() -> None:
    """Start, stop and look at the sandbox: an AWS account on this machine that costs nothing.

    It runs in the background, starts by itself when --sandbox needs it, and listens on this machine only. It keeps
    what its account holds until you reset it.
    """


@sandbox.command()
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", help="Listen on this port. [any free one]")
@pass_session
def start(session: Session, port: int | None) -> None:
    """Start the sandbox with what its account held at the last stop, or find the one that runs."""
    from core.sandbox import daemon

    running = daemon.start(port=port)
    if running.notice:
        message(running.notice)
    _show(session, running)


@sandbox.command()
@pass_session
def stop(session: Session) -> None:
    """Stop the sandbox and its containers; what the account holds is kept for the next start."""
    from core.sandbox import daemon

    stopped = daemon.stop()
    if session.json:
        document({"running": False, "stopped": stopped})
    else:
        message("The sandbox is stopped." if stopped else "No sandbox was running.")


@sandbox.command()
@pass_session
def status(session: Session) -> None:
    """Show whether the sandbox runs, and where."""
    from core.sandbox import daemon

    _show(session, daemon.status())


@sandbox.command()
@pass_session
def reset(session: Session) -> None:
    """Give the account back empty, at the same address: all that it held is forgotten."""
    from core.sandbox import daemon

    _show(session, daemon.reset())


@sandbox.command()
@pass_session
def env(session: Session) -> None:
    """Print the lines that point any AWS client at the sandbox: eval "$(sagewizard sandbox env)"."""
    from core.sandbox import daemon

    running = daemon.ensure_running()
    values, absent = daemon.environment(running), daemon.variables_to_unset()
    if session.json:
        document({"set": dict(values), "unset": list(absent)})
        return
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f"unset {' '.join(absent)}")


@sandbox.command()
@click.argument("instance_type", required=False, metavar="[TYPE")
@click.argument("count", type=click.IntRange(0), required=False, metavar="[COUNT]]")
@pass_session
def quota(session: Session, instance_type: str | None, count: int | None) -> None:
    """Show how many instances the account may run for endpoints; with TYPE and COUNT, change that.

    It begins with the quotas of a new AWS account.
    """
    from core.instances.catalog import find_instance_type
    from core.instances.quotas import fetch_quotas
    from core.sandbox.administration import set_quota
    from core.sandbox.daemon import ensure_running

    account = session.account(sandbox=True)
    if instance_type is not None:
        find_instance_type(instance_type)
        if count is not None:
            set_quota(ensure_running(), instance_type, count, account.region)
    found = fetch_quotas(account.clients, cancel=session.cancel) or {}
    named = {name: each for name, each in found.items() if name == instance_type or (not instance_type and each.limit)}
    if session.json:
        document({"quotas": [{"type": name, "limit": each.limit, "used": each.used} for name, each in named.items()]})
        return
    columns = [Column("Instance type"), Column("Quota", number=True), Column("In use", number=True)]
    data(table(columns, [[name, str(each.limit), str(each.used)] for name, each in sorted(named.items())]))


def _show(session: Session, running: "RunningSandbox | None") -> None:
    if session.json:
        document(_as_document(running))
    elif running is None:
        data("The sandbox is not running.")
    else:
        rows = [
            ("Address", running.url),
            ("Process", str(running.pid)),
            ("Since", f"{running.started:%Y-%m-%d %H:%M:%S}"),
        ]
        data(pairs(rows))


def _as_document(running: "RunningSandbox | None") -> dict[str, Any]:
    if running is None:
        return {"running": False}
    return {"running": True, "url": running.url, "pid": running.pid, "started": running.started.isoformat()}
