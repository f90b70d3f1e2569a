"""From facts and a person's choices to a plan: every decision made, each with its reason. AWS is only read."""

from dataclasses import dataclass
from typing import Final

from core.account import Account
from core.artifacts.converted_tree import refuse_nothing_to_convert
from core.artifacts.form import choose_form
from core.artifacts.manifest import ArtifactForm
from core.aws.names import name_taken
from core.aws.roles import find_role
from core.deployments.names import artifact_prefix_for, check_endpoint_name, endpoint_name_from, numbered, role_name_for
from core.deployments.plan import (
    DEFAULT_VARIANT,
    DIALECTS,
    Plan,
    PlannedArtifact,
    PlannedContainer,
    PlannedEndpoint,
    PlannedModel,
    PlannedRole,
)
from core.deployments.quota_refusal import quota_refusal
from core.errors import RefusedError
from core.instances.engine_rules import ENGINE_RULES
from core.instances.fit import FitRow, FitTable
from core.instances.prices import Price
from core.instances.quotas import quota_request_link
from core.instances.requirements import volume_for
from core.models.facts import ModelFacts, WeightSet
from core.models.memory import loaded_dtype
from core.models.weight_set import refuse_base_elsewhere
from core.quantities import format_bytes, format_count, format_hourly, format_memory
from core.serving.engines import ENGINES, REMOTE_CODE_ALLOWED
from core.serving.images import ContainerImage, huggingface_image
from core.serving.templates import InferenceTemplate, all_templates, find_template, template_for

_DOWNLOAD_BYTES_PER_SECOND: Final = 25_000_000
_LOAD_BYTES_PER_SECOND: Final = 50_000_000
"""Slow ends of what is seen of S3 to an instance, and of unpacked weights into memory: timeouts should not be tight."""
_TIMEOUT_FLOOR_SECONDS: Final = 300
_TIMEOUT_CEILING_SECONDS: Final = 3600
_MOST_NUMBERED_NAMES: Final = 50
CONVERSION_REASON: Final = "as chosen: the pickled weights (.bin) become safetensors while packaging"
NEW_ROLE: Final = "create"
"""The choice of a role that is made for this deployment."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person decided; `None` leaves it to the planner.

    `role` is a name or an ARN, or `create`; `new_role` is then what the role is called, `None` after the endpoint.
    `context` is in tokens, `concurrency` in requests at the same time. `without_quota` takes a type although the
    account may not run it yet: the plan is made, and a run of it is refused until the quota is there. `convert` turns
    pickled weights into safetensors while packaging. `form` is what the artifact is, `kms_key` the key that its objects
    are encrypted with (an ARN, an id, or `alias/NAME`).
    """

    name: str | None = None
    instance_type: str | None = None
    instance_count: int = 1
    role: str | None = None
    new_role: str | None = None
    bucket: str | None = None
    template: str | None = None
    context: int | None = None
    concurrency: int = 1
    without_quota: bool = False
    convert: bool = False
    form: ArtifactForm | None = None
    kms_key: str | None = None


def make_plan(facts: ModelFacts, weights: WeightSet, table: FitTable, choices: Choices, account: Account) -> Plan:
    """Return the plan of one deployment; `table` is the model's fit table for this account.

    Raises:
        UsageError: a choice is malformed.
        RefusedError: nothing fits, the chosen type does not, its quota is used up, or the name is taken.
        NotFoundError: the chosen role or template does not exist.
        AccessError, UnreachableError: AWS cannot be read.
    """
    reasons: dict[str, str] = {}
    refuse_base_elsewhere(facts, weights)
    if choices.convert:
        refuse_nothing_to_convert([file.path for file in weights.files], str(facts.reference))
        reasons["artifact.convert"] = CONVERSION_REASON
    template = _choose_template(facts, choices, reasons)
    row = _choose_instance(table, choices, account, reasons)
    image = huggingface_image(row.fit.instance, account.region)
    reasons["container.image"] = (
        f"the newest image of the {row.fit.engine} engine for {image.accelerator.upper()} instances in {account.region}"
    )
    name = _choose_name(facts, choices, account, reasons)
    form = choose_form(ENGINE_RULES[row.fit.engine], weights.packaged_bytes, choices.form, reasons)
    if choices.kms_key:
        reasons["artifact.kms_key"] = "as chosen"
    if choices.bucket:
        reasons["artifact.bucket"] = "as chosen; made when it is absent"
    return Plan(
        model=_planned_model(facts, weights, template),
        artifact=PlannedArtifact(
            template=template.name if template in all_templates() else str(template.folder),
            template_sha256=template.sha256,
            bucket=choices.bucket,
            key_prefix=artifact_prefix_for(facts.reference.short_name),
            convert=choices.convert,
            form=form,
            kms_key=choices.kms_key,
        ),
        container=PlannedContainer(
            engine=row.fit.engine,
            image=image.uri,
            environment={
                **ENGINES[row.fit.engine].environment,
                **({"HF_TASK": task} if (task := _task(facts, template)) else {}),
                **(REMOTE_CODE_ALLOWED if weights.remote_code else {}),
                "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",  # logging.INFO: a start that hangs is told by its log
            },
            inference_ami_version=_ami(image, reasons),
            dialect=_choose_dialect(facts, template, reasons),
        ),
        role=_choose_role(name, choices, account, reasons),
        endpoint=_planned_endpoint(name, row, weights, choices, form, reasons),
        region=account.region,
        reasons=reasons,
    )


def _choose_template(facts: ModelFacts, choices: Choices, reasons: dict[str, str]) -> InferenceTemplate:
    if choices.template:
        reasons["artifact.template"] = "as chosen"
        return find_template(choices.template)
    template = template_for(facts.task, facts.library)
    reasons["artifact.template"] = f"serves {facts.task} models of {facts.library}"
    return template


def _choose_instance(table: FitTable, choices: Choices, account: Account, reasons: dict[str, str]) -> FitRow:
    wanted = choices.instance_type or table.recommended
    if wanted is None:
        said = "No instance type holds this model."
        if any(row.fit.fits for row in table.rows):
            said = "No instance type can be recommended for this model."
        elif all(row.fit.limited_by == "engine" for row in table.rows if row.fit.instance.specified):
            said = "No instance type can run this model."
        raise RefusedError(
            said,
            fix=table.smallest_change or "Choose a smaller model.",
        )
    row = next((row for row in table.rows if row.fit.instance.name == wanted), None)
    if row is None:
        raise RefusedError(f"{wanted} was not among the instance types looked at.", fix="Name one from the fit table.")
    if not row.fit.fits:
        raise RefusedError(
            f"The model does not fit {wanted}: {describe_limit(row)}.",
            fix=f"{table.recommended} holds it." if table.recommended else (table.smallest_change or ""),
        )
    if row.quota and (refusal := quota_refusal(wanted, choices.instance_count, row.quota, account)):
        if not choices.without_quota:
            raise RefusedError(
                refusal.message,
                fix=f"{refusal.fix} `sagewizard plan --without-quota` plans for it all the same.",
            )
        reasons["endpoint.quota"] = (
            f"chosen although the account may run {row.quota.limit} of it and {row.quota.used} are in use; a run is "
            f"refused until there are more: {quota_request_link(account.region, row.quota.code)}"
        )
    memory = format_memory(row.fit.instance.memory_bytes)
    reasons["endpoint.instance_type"] = (
        "as chosen" if choices.instance_type else f"the cheapest that fits with head room ({memory} of memory)"
    )
    return row


def describe_limit(row: FitRow) -> str:
    """Return in words why a model does not run on an instance type: `it needs 41 GiB of memory, 22 GiB is usable`."""
    fit = row.fit
    named = {"gpu": ("memory of each GPU", fit.gpu), "host": ("memory", fit.host), "disk": ("disk space", fit.disk)}
    if fit.limited_by in named:
        what, budget = named[fit.limited_by]
        if budget is not None and budget.usable_bytes > 0:
            why = f" ({fit.reason})" if fit.reason else ""
            return (
                f"it needs {format_memory(budget.required_bytes)} of {what}, "
                f"{format_memory(budget.usable_bytes)} is usable{why}"
            )
        return f"its {what} is not known"
    if fit.limited_by == "engine":
        return fit.reason or f"the {fit.engine} engine does not run there"
    return "the account has no quota for it"


def _choose_name(facts: ModelFacts, choices: Choices, account: Account, reasons: dict[str, str]) -> str:
    if choices.name is not None:
        name = check_endpoint_name(choices.name)
        if taken := name_taken(account.clients, name):
            raise RefusedError(
                f"There is already {taken} named “{name}” in {account.region}.", fix="Choose another name."
            )
        reasons["endpoint.name"] = "as chosen"
        return name
    base = endpoint_name_from(facts.reference.short_name)
    for number in range(1, _MOST_NUMBERED_NAMES):
        name = base if number == 1 else numbered(base, number)
        if not name_taken(account.clients, name):
            reasons["endpoint.name"] = "the model's name" if number == 1 else "the model's name; the plain one is taken"
            return name
    raise RefusedError(f"“{base}” and all its numbered forms are taken.", fix="Choose another name.")


def _choose_role(name: str, choices: Choices, account: Account, reasons: dict[str, str]) -> PlannedRole:
    if choices.role is None or choices.role == NEW_ROLE:
        reasons["role.create"] = (
            "a role of its own that can read this artifact, pull this image and write this log only"
        )
        return PlannedRole(arn=None, create=choices.new_role or role_name_for(name, account.region))
    reasons["role.arn"] = "as chosen"
    return PlannedRole(arn=find_role(account.clients, choices.role).arn, create=None)


def _planned_model(facts: ModelFacts, weights: WeightSet, template: InferenceTemplate) -> PlannedModel:
    return PlannedModel(
        reference=str(facts.reference),
        revision=facts.revision,
        task=_task(facts, template) or "custom",
        library=facts.library,
        architecture=facts.architecture,
        parameters=facts.parameters,
        dtype=loaded_dtype(facts, weights),
        weight_format=weights.format,
        weight_bytes=weights.weight_bytes,
        chat_template=facts.chat_template,
        files=weights.files,
        remote_code=weights.remote_code,
    )


def _task(facts: ModelFacts, template: InferenceTemplate) -> str | None:
    return facts.task or next(iter(template.tasks), None)


def _choose_dialect(facts: ModelFacts, template: InferenceTemplate, reasons: dict[str, str]) -> str:
    known = [dialect for dialect in template.dialects if dialect in DIALECTS]
    spoken = [dialect for dialect in known if dialect != "messages" or facts.chat_template]
    dialect = spoken[0] if spoken else "inputs"
    reasons["container.dialect"] = (
        "the model has a chat template" if dialect == "messages" else "the template's format for a plain prompt"
    )
    return dialect


def _ami(image: ContainerImage, reasons: dict[str, str]) -> str | None:
    if image.inference_ami_version:
        reasons["container.inference_ami_version"] = f"its driver runs the image's CUDA {image.cuda}"
    return image.inference_ami_version


def _planned_endpoint(
    name: str, row: FitRow, weights: WeightSet, choices: Choices, form: ArtifactForm, reasons: dict[str, str]
) -> PlannedEndpoint:
    size = format_bytes(weights.packaged_bytes)
    download = _timeout(weights.packaged_bytes / _DOWNLOAD_BYTES_PER_SECOND)
    startup = _timeout(weights.packaged_bytes / _LOAD_BYTES_PER_SECOND)
    reasons["endpoint.download_timeout_seconds"] = f"{size} at {format_bytes(_DOWNLOAD_BYTES_PER_SECOND)}/s, and 5 min"
    reasons["endpoint.startup_timeout_seconds"] = f"{size} at {format_bytes(_LOAD_BYTES_PER_SECOND)}/s, and 5 min"
    needed, volume_gb = _disk(row, weights, form)
    if volume_gb is not None:
        reasons["endpoint.volume_gb"] = f"it needs {format_bytes(needed)} of disk, and the type has none of its own"
    price = row.price
    reasons["endpoint.price_usd_per_hour"] = price_reason(price)
    return PlannedEndpoint(
        name=name,
        instance_type=row.fit.instance.name,
        instance_count=choices.instance_count,
        variant=DEFAULT_VARIANT,
        startup_timeout_seconds=startup,
        download_timeout_seconds=download,
        price_usd_per_hour=price.usd_per_hour,
        price_source=price.source,
        volume_gb=volume_gb,
        context=choices.context,
        concurrency=choices.concurrency,
    )


def _disk(row: FitRow, weights: WeightSet, form: ArtifactForm) -> tuple[int, int | None]:
    """Return the disk space that an instance needs, in bytes, and the volume to ask for, in GB.

    Raises:
        RefusedError: an archive was chosen that does not fit beside what is unpacked from it.
    """
    fit = row.fit
    if form == "prefix" or ENGINE_RULES[fit.engine].packs(weights.packaged_bytes):
        return fit.disk.required_bytes, fit.volume_gb
    needed = fit.disk.required_bytes + weights.packaged_bytes  # the table reckons with the tree alone
    space, volume_gb = volume_for(needed, fit.instance)
    if needed > space:
        raise RefusedError(
            f"An archive and what is unpacked from it need {format_bytes(needed)} of disk space, and "
            f"{fit.instance.name} has {format_bytes(space)}.",
            fix="Leave --form out, or choose --form prefix.",
        )
    return needed, volume_gb


def price_reason(price: Price) -> str:
    """Return in words where a price is from."""
    return {
        "api": f"{format_hourly(price.usd_per_hour)} by the Pricing API",
        "list": f"{format_hourly(price.usd_per_hour)} by a list that may be out of date",
        "unknown": "no price is known",
    }[price.source]


def _timeout(seconds: float) -> int:
    """Return `seconds` and a floor, in whole minutes, within what SageMaker allows."""
    return min(_TIMEOUT_CEILING_SECONDS, (int(_TIMEOUT_FLOOR_SECONDS + seconds) + 59) // 60 * 60)


def summarise(plan: Plan) -> str:
    """Return the plan in one sentence."""
    size = format_bytes(plan.model.weight_bytes)
    parameters = f"{format_count(plan.model.parameters)} parameters, " if plan.model.parameters else ""
    count = f"{plan.endpoint.instance_count} × " if plan.endpoint.instance_count > 1 else ""
    volume = f" with a volume of {plan.endpoint.volume_gb} GB" if plan.endpoint.volume_gb else ""
    return (
        f"{plan.model.reference} ({parameters}{size}) on {count}{plan.endpoint.instance_type}{volume} as "
        f"“{plan.endpoint.name}” in {plan.region}, {format_hourly(plan.price_usd_per_hour)}"
    )
