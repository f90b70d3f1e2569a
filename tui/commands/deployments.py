"""`sagewizard deployments`: what this machine deployed, from its ledgers."""

from typing import TYPE_CHECKING, Any, Final

import click

from tui.command_line import Command
from tui.output import data, document
from tui.session import Session, pass_session
from tui.tables import Column, table

if TYPE_CHECKING:
    from core.deployments.ledger import Deployment

_NOT_WAITED_FOR: Final = "creating, not waited for"
"""What is known of a deployment that was left to AWS: it may be in service since, or have failed."""


@click.command(cls=Command)
@pass_session
def deployments(session: Session) -> None:
    """List the deployments made from this machine, newest first, and what may still exist of each.

    It reads what was written down when they were made and removed; the account is not asked.
    """
    from core.account import ledgers_folder
    from core.deployments.ledger import list_deployments

    found = list_deployments(ledgers_folder(sandbox=session.sandbox))
    if session.json:
        document({"deployments": [_as_document(deployment) for deployment in found]})
    elif not found:
        data("Nothing has been deployed from this machine yet.")
    else:
        columns = [Column("Deployment"), Column("Endpoint"), Column("Status"), Column("Region"), Column("Still there")]
        data(table(columns, [_cells(deployment) for deployment in found]))


def _as_document(deployment: "Deployment") -> dict[str, Any]:
    return {
        "id": deployment.id,
        "status": deployment.status,
        "endpoint": deployment.endpoint,
        "region": deployment.region,
        "account": deployment.account_id,
        "created": deployment.created.isoformat(),
        "model": deployment.plan.model.reference,
        "resources": [
            {"kind": resource.kind, "name": resource.name, "state": resource.state} for resource in deployment.resources
        ],
        "cause": deployment.cause,
        "fix": deployment.fix,
    }


def _cells(deployment: "Deployment") -> list[str]:
    there = ", ".join(resource.kind.replace("_", " ") for resource in deployment.existing)
    status = _NOT_WAITED_FOR if deployment.status == "creating" else deployment.status
    return [deployment.id, deployment.endpoint, status, deployment.region, there or "nothing"]
