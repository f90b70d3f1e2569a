"""A plan with some of its decisions changed, as options and the environment may do when a plan file is run."""

from dataclasses import replace

from core.deployments.names import artifact_prefix_for, check_endpoint_name, role_name_for
from core.deployments.plan import Plan, PlannedRole
from core.deployments.planner import NEW_ROLE, Choices


def must_be_decided_anew(plan: Plan, choices: Choices) -> bool:
    """Return whether a choice changes what other decisions follow from: the image, the time-outs, the files."""
    return (
        choices.instance_type not in {None, plan.endpoint.instance_type}
        or choices.template not in {None, plan.artifact.template}
        or choices.context is not None
        or choices.concurrency != 1
    )


def choices_over(plan: Plan, choices: Choices) -> Choices:
    """Return the choices that make the plan anew: those that are set, and else the plan's own decisions."""
    return replace(
        choices,
        name=choices.name or plan.endpoint.name,
        instance_type=choices.instance_type or plan.endpoint.instance_type,
        role=choices.role or plan.role.arn or NEW_ROLE,
        bucket=choices.bucket or plan.artifact.bucket,
        template=choices.template or plan.artifact.template,
    )


def revise(plan: Plan, choices: Choices, *, role_arn: str | None = None) -> Plan:
    """Return the plan with the choices that are set, where nothing else follows from them.

    `role_arn` is the chosen role's, where it is an existing one.

    Raises:
        UsageError: the name is one that SageMaker refuses.
    """
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
