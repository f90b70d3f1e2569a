"""Which of the deployments made from this machine is meant: to be gone on with, or to be taken away."""

from typing import Final

from core.account import Account
from core.cancellation import CancelToken
from core.deployments.events import Emit
from core.deployments.ledger import Deployment, DeploymentStatus, Ledger, Resource, list_deployments
from core.deployments.removal import remove_resources
from core.errors import NotFoundError, UsageError

_UNFINISHED: Final[tuple[frozenset[DeploymentStatus], ...]] = (
    frozenset({"interrupted"}),
    frozenset({"failed", "cancelled"}),
    frozenset({"creating"}),
)
"""Ways not to be finished, the one first that is rather meant."""


def find_unfinished(account: Account, deployment_id: str | None, *, awaited: bool = True) -> Deployment:
    """Return the deployment of that id; without one, the only one of the account and region that was not finished.

    One that was interrupted goes before those that failed, and those before ones that were not waited for; these may
    have come up since, and count with `awaited` only.

    Raises:
        NotFoundError: there is none.
        UsageError: there are several.
    """
    found = list_deployments(account.ledgers)
    if deployment_id is not None:
        for deployment in found:
            if deployment.id == deployment_id:
                return deployment
        raise NotFoundError(
            f"There is no deployment {deployment_id}.", fix=f"{account.command('deployments')} lists them."
        )
    here = account.identity().account_id, account.region
    left = [each for each in found if (each.account_id, each.region) == here and each.existing]
    for statuses in _UNFINISHED if awaited else _UNFINISHED[:-1]:
        unfinished = [deployment for deployment in left if deployment.status in statuses]
        if len(unfinished) > 1:
            named = ", ".join(f"{deployment.id} ({deployment.endpoint})" for deployment in unfinished[:5])
            raise UsageError(f"Several deployments are not finished: {named}.", fix="Name the one that is meant.")
        if unfinished:
            return unfinished[0]
    raise NotFoundError(
        f"No deployment in {account.region} was interrupted.",
        fix=f"{account.command('deployments')} lists them all.",
    )


def roll_back(deployment_id: str, account: Account, *, emit: Emit, cancel: CancelToken) -> tuple[Resource, ...]:
    """Remove what a deployment made, and end the uploads that it began; return what could not be removed.

    Raises:
        NotFoundError: there is no such deployment.
        RefusedError: it was made in another account or region.
        SagewizardError: another process is working on it.
        CancelledByUser: stopped between two resources.
    """
    with Ledger.reopen(account.ledgers, deployment_id) as ledger:
        return remove_resources(ledger, account, emit=emit, cancel=cancel, stage="rollback")
