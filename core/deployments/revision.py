"""A plan with some of its decisions changed, as options and the environment may do when a plan file is run."""

from dataclasses import replace

from core.deployments.names import artifact_prefix_for, check_endpoint_name, role_name_for
from core.deployments.plan import Plan, PlannedRole
from core.deployments.planner import NEW_ROLE, Choices
from core.errors import UsageError

_FIX = "Make the plan anew with `sagewizard plan`, or edit the file."


def revise(plan: Plan, choices: Choices, *, role_arn: str | None = None) -> Plan:
    """Return the plan with the choices that are set; `role_arn` is the chosen role's, where it is an existing one.

    What the image, the timeouts or the packaged files follow from cannot be changed alone: the instance type, the
    template.

    Raises:
        UsageError: a choice is malformed, or is one of those.
    """
    if choices.instance_type not in {None, plan.endpoint.instance_type}:
        raise UsageError(
            f"The plan is for {plan.endpoint.instance_type}; image and timeouts follow from that, so it cannot be "
            f"run on {choices.instance_type}.",
            fix=_FIX,
        )
    if choices.template not in {None, plan.artifact.template}:
        raise UsageError("The plan's files follow from its template, which cannot be changed alone.", fix=_FIX)
    reasons = dict(plan.reasons)
    endpoint, artifact, role = plan.endpoint, plan.artifact, plan.role
    if choices.name not in {None, endpoint.name}:
        name = check_endpoint_name(choices.name or "")
        endpoint = replace(endpoint, name=name)
        artifact = replace(artifact, key_prefix=artifact_prefix_for(name))
        if role.create:
            role = PlannedRole(arn=None, create=role_name_for(name, plan.region))
        reasons["endpoint.name"] = "as chosen"
    if choices.bucket:
        artifact = replace(artifact, bucket=choices.bucket)
    if choices.role == NEW_ROLE:
        role = PlannedRole(arn=None, create=role_name_for(endpoint.name, plan.region))
    elif role_arn:
        role = PlannedRole(arn=role_arn, create=None)
    if choices.instance_count != endpoint.instance_count:
        endpoint = replace(endpoint, instance_count=choices.instance_count)
    return replace(plan, endpoint=endpoint, artifact=artifact, role=role, reasons=reasons)
