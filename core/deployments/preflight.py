"""The first step of a run: what can be found out before anything is made, so that a refusal costs nothing."""

from dataclasses import dataclass

from core.artifacts.tree import Member, artifact_tree
from core.aws import buckets, roles
from core.aws.names import name_taken
from core.aws.object_reading import S3Objects
from core.cancellation import CancelToken
from core.deployments.placement import refuse_misplacement
from core.deployments.plan import Plan
from core.deployments.quota_refusal import quota_refusal
from core.deployments.run import Run
from core.errors import AccessError, RefusedError
from core.instances.quotas import fetch_quotas
from core.models.facts import ModelFile
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.packaged_files import refuse_unusable_files
from core.models.reference import HubReference, ModelReference, parse_reference
from core.models.sources import FileSource, open_source
from core.models.stored_objects import ObjectStore
from core.quantities import format_bytes
from core.serving.templates import find_template


@dataclass(frozen=True, slots=True)
class Inspected:
    """What will be packaged, and where the model's files among it are read from."""

    members: tuple[Member, ...]
    source: FileSource


def inspect(run: Run) -> Inspected | None:
    """Return what will be packaged, once the source, the account and the names are seen to be as the plan says.

    What an earlier part of the same deployment has made is as it should be; with the artifact made, nothing is left to
    be packaged (`None`).

    Raises:
        RefusedError: the files changed since the plan or are unsafe, the image does not run on the instance type, a
            name is taken, or the quota is used up.
        NotFoundError: the model, the role or the bucket is not there.
        AccessError, UnreachableError: the Hub or AWS cannot be read.
    """
    plan = run.plan
    with run.report.stage("inspect", f"Checking {plan.model.reference} and the account") as report:
        refuse_misplacement(plan)
        account_id = run.account.identity().account_id
        if not any(run.begun(kind) for kind in ("model", "endpoint_config", "endpoint")):
            _check_names(run)
        buckets.bucket_exists(run.account.clients, run.bucket, account_id)
        _check_role(run)
        if not run.begun("endpoint"):
            _check_quota(run)
        if made := run.made("object"):
            report.summary = f"The artifact is in {made.name}"
            return None
        source = open_planned_source(plan, run.hub, run.cancel, S3Objects(run.account.clients))
        template = find_template(plan.artifact.template)
        if template.sha256 != plan.artifact.template_sha256:
            raise RefusedError(
                f"The inference template {template.name} has changed since the plan was made.",
                fix="Make the plan anew.",
            )
        members = artifact_tree(plan.model.files, source, template)
        report.summary = f"{len(members)} files, {format_bytes(sum(member.bytes for member in members))} to package"
    return Inspected(members, source)


def planned_reference(plan: Plan) -> ModelReference:
    """Return the reference of the plan's model at the plan's very revision."""
    reference = parse_reference(plan.model.reference)
    if isinstance(reference, HubReference) and plan.model.revision:
        return HubReference(reference.repository, plan.model.revision)
    return reference


def open_planned_source(
    plan: Plan, hub: HubClient, cancel: CancelToken, objects: ObjectStore | None = None
) -> FileSource:
    """Return where the plan's files are read from, once they are seen to be those it lists.

    `objects` is where a model in S3 is read.

    Raises:
        RefusedError: a file is gone, has changed, or may not be packaged.
        NotFoundError, AccessError, UnreachableError: the model cannot be looked at.
    """
    reference = planned_reference(plan)
    facts = inspect_model(reference, hub, cancel, objects)
    found = {file.path: file for file in facts.files}
    for file in plan.model.files:
        if not _same(file, found.get(file.path)):
            raise RefusedError(
                f"{file.path} of {plan.model.reference} is not as it was when the plan was made.",
                fix="Make the plan anew: `sagewizard plan`.",
            )
    refuse_unusable_files((file.path for file in plan.model.files), facts)
    return open_source(reference, facts.revision, hub, objects)


def _check_names(run: Run) -> None:
    name = run.plan.endpoint.name
    if taken := name_taken(run.account.clients, name):
        raise RefusedError(
            f"There is already {taken} named “{name}” in {run.account.region}.",
            fix="Choose another name, or delete that one first.",
        )


def _check_quota(run: Run) -> None:
    endpoint = run.plan.endpoint
    quotas = fetch_quotas(run.account.clients, cancel=run.cancel)
    quota = (quotas or {}).get(endpoint.instance_type)
    if refusal := quota_refusal(endpoint.instance_type, endpoint.instance_count, quota, run.account):
        raise refusal


def _check_role(run: Run) -> None:
    """Return when the role can be used or, as far as IAM may be asked, its name is free."""
    clients, wanted = run.account.clients, run.plan.role
    if wanted.arn:
        folder = run.folder
        roles.check_role(clients, roles.find_role(clients, wanted.arn), folder.bucket, run.key_to_read(folder))
    elif wanted.create and not run.begun("role"):
        try:
            taken = roles.role_exists(clients, wanted.create)
        except AccessError:  # to create a role needs another permission than to look at it
            return
        if taken:
            raise RefusedError(
                f"There is a role named {wanted.create} already.",
                fix=f"Use it (--role {wanted.create}), or delete it; one that an interrupted run left goes with "
                f"{run.account.command(f'endpoints delete {run.plan.endpoint.name}')}.",
            )


def _same(planned: ModelFile, found: ModelFile | None) -> bool:
    return (
        found is not None
        and found.bytes == planned.bytes
        and (planned.sha256, planned.git_sha1, planned.etag) == (found.sha256, found.git_sha1, found.etag)
    )
