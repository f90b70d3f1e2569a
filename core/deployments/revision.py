"""A plan with some of its decisions changed, as options and the environment may do when a plan file is run."""

from collections.abc import Mapping
from dataclasses import replace

from core.artifacts.converted_tree import refuse_nothing_to_convert
from core.deployments.names import check_endpoint_name, role_name_for
from core.deployments.placement import misplacement
from core.deployments.plan import Plan, PlannedRole
from core.deployments.planner import CONVERSION_REASON, NEW_ROLE, Choices, price_reason
from core.instances.prices import UNKNOWN, Price


def must_be_decided_anew(plan: Plan, choices: Choices, *, type_asked_for: bool = False) -> bool:
    """Return whether a choice changes what other decisions follow from: the image, the time-outs, the files.

    `type_asked_for`: the choice of the instance type is not just the plan's own. Then a plan whose image does not run
    on its type, as after an edit of either, or whose volume does not go with it, is decided anew as well.

    Raises:
        UsageError: the plan's instance type is none of SageMaker's.
        RefusedError: the plan's image is not one in ECR.
    """
    return (
        choices.instance_type not in {None, plan.endpoint.instance_type}
        or choices.template not in {None, plan.artifact.template}
        or choices.context is not None
        or choices.concurrency != 1
        or choices.form not in {None, plan.artifact.form}
        or (type_asked_for and misplacement(plan) is not None)
    )


def choices_over(plan: Plan, choices: Choices) -> Choices:
    """Return the choices that make the plan anew: those that are set, and else the plan's own decisions."""
    return replace(
        choices,
        name=choices.name or plan.endpoint.name,
        instance_type=choices.instance_type or plan.endpoint.instance_type,
        role=choices.role or plan.role.arn or NEW_ROLE,
        new_role=choices.new_role or _chosen_role_name(plan),
        bucket=choices.bucket or plan.artifact.bucket,
        template=choices.template or plan.artifact.template,
        convert=choices.convert or plan.artifact.convert,
        form=choices.form or plan.artifact.form,
        kms_key=choices.kms_key or plan.artifact.kms_key,
        context=choices.context or plan.endpoint.context,
        concurrency=choices.concurrency if choices.concurrency != 1 else plan.endpoint.concurrency,
    )


def revise(plan: Plan, choices: Choices, *, role_arn: str | None = None) -> Plan:
    """Return the plan with the choices that are set, where nothing else follows from them.

    `role_arn` is the chosen role's, where it is an existing one.

    Raises:
        UsageError: the name is one that SageMaker refuses, or there are no pickled weights to be converted.
    """
    reasons = dict(plan.reasons)
    endpoint, artifact, role = plan.endpoint, plan.artifact, plan.role
    if choices.name not in {None, endpoint.name}:
        name = check_endpoint_name(choices.name or "")
        endpoint = replace(endpoint, name=name)
        if role.create:
            role = PlannedRole(arn=None, create=_chosen_role_name(plan) or role_name_for(name, plan.region))
        reasons["endpoint.name"] = "as chosen"
    if choices.bucket:
        artifact = replace(artifact, bucket=choices.bucket)
    if choices.kms_key:
        artifact = replace(artifact, kms_key=choices.kms_key)
        reasons["artifact.kms_key"] = "as chosen"
    if choices.convert and not artifact.convert:
        refuse_nothing_to_convert([file.path for file in plan.model.files], plan.model.reference)
        artifact = replace(artifact, convert=True)
        reasons["artifact.convert"] = CONVERSION_REASON
    if role_arn:
        role = PlannedRole(arn=role_arn, create=None)
    elif choices.role == NEW_ROLE and not role.create:
        role = PlannedRole(arn=None, create=role_name_for(endpoint.name, plan.region))
    if choices.instance_count != endpoint.instance_count:
        endpoint = replace(endpoint, instance_count=choices.instance_count)
    return replace(plan, endpoint=endpoint, artifact=artifact, role=role, reasons=reasons)


def at_price_of_its_type(plan: Plan, prices: Mapping[str, Price]) -> Plan:
    """Return the plan with what its instance type costs: the file's own figure may be an older one, or of another.

    Where nobody else knows a price, the file's own stays.
    """
    price = prices.get(plan.endpoint.instance_type, UNKNOWN)
    if price.usd_per_hour is None and plan.endpoint.price_usd_per_hour is not None:
        return replace(plan, reasons={**plan.reasons, "endpoint.price_usd_per_hour": "the plan's own figure"})
    return replace(
        plan,
        endpoint=replace(plan.endpoint, price_usd_per_hour=price.usd_per_hour, price_source=price.source),
        reasons={**plan.reasons, "endpoint.price_usd_per_hour": price_reason(price)},
    )


def _chosen_role_name(plan: Plan) -> str | None:
    """Return the name of the role to create where a person chose it, `None` where it follows from the endpoint's."""
    derived = role_name_for(plan.endpoint.name, plan.region)
    return plan.role.create if plan.role.create != derived else None
