"""`sagewizard rollback`: what an interrupted deployment made, taken away."""

import click

from core.errors import CancelledByUser, SagewizardError, UsageError
from tui.command_line import Command
from tui.output import data, document, message
from tui.progress import ProgressLines
from tui.session import Session, pass_session


@click.command(cls=Command)
@click.argument("deployment", required=False)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def rollback(session: Session, deployment: str | None, yes: bool) -> None:
    """Remove all that DEPLOYMENT made, uploads that were cut off included; without an id, of the one interrupted."""
    from core.deployments.resumption import find_unfinished, roll_back

    account = session.account()
    found = find_unfinished(account, deployment, awaited=False)
    if not session.json:
        message(f"This removes, of {found.id} (“{found.endpoint}” in {found.region}):")
        for resource in reversed(found.existing):
            message(f"  {resource.kind.replace('_', ' ')} {resource.name}")
    if not yes:
        _confirm(session)
    with ProgressLines() as lines, session.politely():
        left = roll_back(found.id, account, emit=lines, cancel=session.cancel)
    if left:
        names = ", ".join(f"{resource.kind.replace('_', ' ')} {resource.name}" for resource in left)
        raise SagewizardError(
            f"Not all of {found.id} could be removed; still there: {names}.",
            fix=f"Try again: {session.command('rollback', found.id)}",
        )
    if session.json:
        gone = [{"kind": resource.kind, "name": resource.name} for resource in reversed(found.existing)]
        document({"deployment": found.id, "removed": gone})
    else:
        data(f"Nothing of {found.id} is left.")


def _confirm(session: Session) -> None:
    from tui.prompts import ask_whether

    if not session.may_ask:
        raise UsageError("Nothing was removed: nobody said yes.", fix="Add --yes to remove without being asked.")
    if not ask_whether("Remove it?"):
        raise CancelledByUser("Nothing was removed.")
