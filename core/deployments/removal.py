"""Taking away what a deployment made, from its ledger: last made, first removed. Safe to repeat.

A resource is only touched when it is this deployment's: the ledger names it, and where AWS can tell, its tags do too.
"""

from collections.abc import Callable, Mapping
from typing import Final

from core.account import Account
from core.artifacts.artifact_folder import ArtifactFolder, leave
from core.aws import buckets, hosting, objects, roles
from core.aws.clients import Clients
from core.aws.endpoint_deletion import delete_endpoint_and_wait
from core.aws.tags import DEPLOYMENT
from core.cancellation import CancelToken
from core.deployments.events import Emit, Stage
from core.deployments.ledger import Deployment, Ledger, Resource, ResourceState
from core.deployments.reporting import Reporter
from core.errors import CancelledByUser, NotFoundError, RefusedError, SagewizardError

_WORDS: Final = {
    "bucket": "bucket",
    "object": "artifact",
    "role": "role",
    "model": "model",
    "endpoint_config": "endpoint config",
    "endpoint": "endpoint",
}


def remove_resources(
    ledger: Ledger, account: Account, *, emit: Emit, cancel: CancelToken, stage: Stage = "delete"
) -> tuple[Resource, ...]:
    """Remove everything the ledger says may exist. What could not be removed, but for the endpoint, keeps nothing back.

    Returns:
        What is still there; empty when all is gone (or was kept on purpose).

    Raises:
        RefusedError: the account or its region is another one than the deployment was made in.
        CancelledByUser: stopped between two resources; the ledger says what is left.
    """
    refuse_other_account(ledger.deployment, account)
    report = Reporter(ledger.deployment.id, emit)
    waiting = tuple(reversed(ledger.deployment.existing))
    with report.stage(stage, f"Removing what {ledger.deployment.endpoint} is made of") as telling:
        for number, resource in enumerate(waiting):
            cancel.check()
            telling.progress(f"Removing the {_WORDS[resource.kind]} {resource.name}", number, len(waiting))
            ledger.record(resource.kind, resource.name, "deleting")
            try:
                state = _remove(resource, ledger, account, cancel, telling.progress)
            except CancelledByUser:
                raise
            except SagewizardError as error:
                telling.warning(f"{error.message} {error.fix}".strip())
                if resource.kind == "endpoint":
                    break  # what it runs on must stay while it does
                continue
            ledger.record(resource.kind, resource.name, state)
        left = ledger.deployment.existing
        telling.summary = "Nothing is left" if not left else f"{len(left)} could not be removed"
    return left


def refuse_other_account(made: Deployment, account: Account) -> None:
    """Return when the account is the deployment's: in another, all of it would seem to be gone.

    Raises:
        RefusedError: it is another account, or another region.
    """
    account_id = account.identity().account_id
    if (made.account_id, made.region) != (account_id, account.region):
        raise RefusedError(
            f"The deployment {made.id} was made in the account {made.account_id}, {made.region}; "
            f"this is {account_id}, {account.region}.",
            fix="Use the profile (--profile) and the region (--region) that it was made with.",
        )


def _remove(
    resource: Resource, ledger: Ledger, account: Account, cancel: CancelToken, told: Callable[[str], None]
) -> ResourceState:
    clients, account_id = account.clients, account.identity().account_id
    name = resource.name
    match resource.kind:
        case "endpoint":
            if not _is_its(_tags(clients, lambda: hosting.describe_endpoint(clients, name).arn), ledger):
                return "kept"
            delete_endpoint_and_wait(clients, name, cancel=cancel, told=told)
        case "endpoint_config":
            if not _is_its(_tags(clients, lambda: hosting.describe_endpoint_config(clients, name).arn), ledger):
                return "kept"
            hosting.delete_endpoint_config(clients, name)
        case "model":
            if not _is_its(_tags(clients, lambda: hosting.describe_model(clients, name).arn), ledger):
                return "kept"
            hosting.delete_model(clients, name)
        case "role":
            if not _is_its(roles.role_tags(clients, name), ledger):
                return "kept"
            roles.delete_role(clients, name)
        case "object":
            folder = ArtifactFolder.at(name)
            if ledger.deployment.transfer.checkpoint is not None:  # not everybody may list uploads
                upload = ledger.deployment.transfer.checkpoint.upload_id
                objects.abort_upload(clients, folder.bucket, folder.data_key("archive"), upload, account_id)
            if not leave(clients, folder, ledger.deployment.id, account_id, cancel=cancel):
                return "kept"
        case "bucket":
            if not buckets.bucket_exists(clients, name, account_id):
                return "deleted"
            its = _is_its(buckets.bucket_tags(clients, name, account_id), ledger)
            # One whose making was cut off has no tags yet, nor has one whose tags may not be set.
            if not (its or buckets.is_bare(clients, name, account_id)):
                return "kept"
            if not buckets.delete_bucket_if_empty(clients, name, account_id):
                return "kept"
    return "deleted"


def _tags(clients: Clients, find_arn: Callable[[], str]) -> Mapping[str, str] | None:
    """Return the tags of what `find_arn` describes; `None` when it is gone."""
    try:
        return hosting.resource_tags(clients, find_arn())
    except NotFoundError:
        return None


def _is_its(tags: Mapping[str, str] | None, ledger: Ledger) -> bool:
    """Return whether a resource with these tags is the ledger's; one that is gone (`None`) may be deleted again."""
    return tags is None or tags.get(DEPLOYMENT) == ledger.deployment.id
