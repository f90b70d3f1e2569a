"""Deleting an endpoint, with what was made for it: from its ledger where this machine has one, else by its tags.

The endpoint that a person names is deleted whoever made it; everything else only when it is ours and of no other
endpoint. Its log group stays: it costs next to nothing, and tells why something failed.
"""

from functools import partial

from core.account import Account
from core.artifacts.artifact_folder import ArtifactFolder, leave
from core.aws import buckets, hosting, roles
from core.aws.endpoint_deletion import delete_endpoint_and_wait
from core.aws.tags import DEPLOYMENT
from core.cancellation import CancelToken
from core.deployments.events import Emit
from core.deployments.ledger import Deployment, Ledger, Resource, find_deployment
from core.deployments.removal import remove_resources
from core.deployments.reporting import Reporter, StageReport
from core.endpoints.belongings import belongings
from core.endpoints.desk import absent
from core.endpoints.details import Parts, look_up
from core.errors import CancelledByUser, NotFoundError, SagewizardError


def what_would_go(account: Account, name: str, *, cancel: CancelToken | None = None) -> tuple[Resource, ...]:
    """Return what `delete_endpoint` would delete, in its order. A bucket goes only if it is empty then.

    Raises:
        NotFoundError: there is no such endpoint, nor a deployment of it that left something.
        CancelledByUser: stopping was asked for.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    parts, deployment = _find(account, name)
    if deployment is not None:
        return tuple(reversed(deployment.existing))
    assert parts is not None  # noqa: S101 - `_find` returns one of both
    return belongings(account, parts, cancel=cancel or CancelToken())


def delete_endpoint(
    account: Account, name: str, *, emit: Emit, cancel: CancelToken | None = None
) -> tuple[Resource, ...]:
    """Delete the endpoint and what is its own, and return when it is gone; safe to repeat.

    Events carry the id of the deployment that made it or, where that is not known, the endpoint's name.

    Returns:
        What could not be deleted; warnings among the events say why.

    Raises:
        NotFoundError: there is no such endpoint, nor a deployment of it that left something.
        CancelledByUser: stopped; what was begun goes on at AWS, the rest is left.
        AccessError, UnreachableError, SagewizardError: the endpoint could not be deleted.
    """
    cancel = cancel or CancelToken()
    parts, deployment = _find(account, name)
    if deployment is not None:
        with Ledger.reopen(account.ledgers, deployment.id) as ledger:
            return remove_resources(ledger, account, emit=emit, cancel=cancel)
    assert parts is not None  # noqa: S101 - `_find` returns one of both
    resources = belongings(account, parts, cancel=cancel)
    left: list[Resource] = []
    with Reporter(parts.tags.get(DEPLOYMENT) or name, emit).stage("delete", f"Deleting {name}") as report:
        for number, resource in enumerate(resources):
            cancel.check()
            report.progress(f"Deleting {resource.name}", number, len(resources))
            try:
                _delete(account, resource, parts.tags.get(DEPLOYMENT, ""), report, cancel)
            except CancelledByUser:
                raise
            except SagewizardError as error:
                if resource.kind == "endpoint":  # what it runs on has to stay with it
                    raise
                left.append(resource)
                report.warning(f"{error.message} {error.fix}".strip())
        report.summary = f"{name} is deleted; its log stays" if not left else f"{len(left)} could not be deleted"
    return tuple(left)


def _find(account: Account, name: str) -> tuple[Parts | None, Deployment | None]:
    """Return the endpoint, if there is one, and its deployment, if this machine's ledgers have the one that made it."""
    account_id = account.identity().account_id
    find = partial(find_deployment, account.ledgers, name, region=account.region, account_id=account_id)
    try:
        parts = look_up(account.clients, name)
    except NotFoundError as error:
        if (deployment := find()) is None:
            raise absent(account, name) from error
        return None, deployment
    # The name may have been used again since, also by another machine.
    made_by = parts.tags.get(DEPLOYMENT)
    return parts, find(made_by=made_by) if made_by else None


def _delete(account: Account, resource: Resource, deployment: str, report: StageReport, cancel: CancelToken) -> None:
    clients, name = account.clients, resource.name
    account_id = account.identity().account_id
    match resource.kind:
        case "endpoint":
            delete_endpoint_and_wait(clients, name, cancel=cancel, told=report.progress)
        case "endpoint_config":
            hosting.delete_endpoint_config(clients, name)
        case "model":
            hosting.delete_model(clients, name)
        case "role":
            roles.delete_role(clients, name)
        case "object":
            leave(clients, ArtifactFolder.at(name), deployment, account_id, cancel=cancel)
        case "bucket":
            buckets.delete_bucket_if_empty(clients, name, account_id)
