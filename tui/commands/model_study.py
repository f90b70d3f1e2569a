"""What `fit`, `plan`, `package` and `deploy` share: the model that was named, looked at, and the options of a plan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.byte_sizes import ByteSize
from tui.output import message
from tui.session import Session

if TYPE_CHECKING:
    from core.aws.clients import Clients
    from core.deployments.plan import Plan
    from core.deployments.planner import Choices
    from core.deployments.run import TransferLimits
    from core.instances.fit import FitTable
    from core.models.facts import ModelFacts, WeightSet
    from core.models.reference import ModelReference
    from core.models.stored_objects import ObjectStore

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Study:
    """A model and what of it will be packaged."""

    facts: "ModelFacts"
    weights: "WeightSet"

    def table(self, session: Session, clients: "Clients", choices: "Choices") -> "FitTable":
        """Return the fit table for the choices, on the engines that the program deploys."""
        from core.instances.offers import fetch_offers
        from core.instances.survey import survey
        from core.serving.engines import DEPLOYABLE

        with session.politely():
            offers = fetch_offers(clients, cancel=session.cancel)
        return survey(
            self.facts,
            self.weights,
            offers,
            context=choices.context,
            concurrency=choices.concurrency,
            engines=DEPLOYABLE,
            count=choices.instance_count,
        )


def study(session: Session, text: str, *, variant: str | None = None, remote_code: bool = False) -> Study:
    """Return the model that `text` names, having looked at it where it is; `variant` is which of its weights.

    Raises:
        SagewizardError: it cannot be found or read, or has no weights that can be packaged.
    """
    from core.models.inspection import inspect_model
    from core.models.reference import parse_reference
    from core.models.weight_set import select_weight_set

    reference = parse_reference(text)
    message(f"Looking at {reference}.")
    with session.politely():
        facts = inspect_model(reference, session.hub(), session.cancel, objects_for(session, reference))
    for warning in facts.warnings:
        message(f"Warning: {warning}")
    return Study(facts, select_weight_set(facts, variant=variant, remote_code=remote_code))


def objects_for(session: Session, reference: "ModelReference") -> "ObjectStore | None":
    """Return where a model in S3 is read: the session's account; `None` for one that lies elsewhere.

    Raises:
        SagewizardError: the account cannot be opened.
    """
    from core.aws.object_reading import S3Objects
    from core.models.reference import S3Reference

    return S3Objects(session.account().clients) if isinstance(reference, S3Reference) else None


def weight_options(command: _Decorated) -> _Decorated:
    """Add the options that say which of a model's weights are meant, and whether its code is."""
    options = (
        click.option(
            "--variant", metavar="NAME", help="Which weights: Q4_K_M of GGUF files, fp16 or plain of a pipeline."
        ),
        click.option(
            "--trust-remote-code",
            "remote_code",
            is_flag=True,
            help="Package the code that the model brings (auto_map), to be run in the container.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def conversion_option(command: _Decorated) -> _Decorated:
    """Add the option that turns pickled weights into safetensors."""
    return click.option(
        "--convert-weights",
        "convert",
        is_flag=True,
        help="Turn pickled weights (.bin) into safetensors while packaging.",
    )(command)


def plan_options(command: _Decorated) -> _Decorated:
    """Add the options by which a person decides what the planner would decide alone."""
    options = (
        click.option("--name", metavar="NAME", help="The endpoint's name. [the model's]"),
        click.option("--instance-type", metavar="TYPE", help="The instance type. [the cheapest that fits]"),
        click.option("--instance-count", type=click.IntRange(1), metavar="N", help="How many instances. [1]"),
        click.option("--role", metavar="NAME|ARN|create", help="The execution role. [create one for this endpoint]"),
        click.option("--bucket", metavar="NAME", help="The bucket for the artifact. [the account's default bucket]"),
        click.option(
            "--form",
            type=click.Choice(["archive", "prefix"]),
            help="One model.tar.gz, or the files as they are. [by engine and size]",
        ),
        click.option("--kms-key", metavar="ARN|ID|ALIAS", help="Encrypt the artifact with this key. [the bucket's]"),
        click.option("--template", metavar="NAME|FOLDER", help="The inference template. [by the model's task]"),
        click.option("--context", type=click.IntRange(1), metavar="TOKENS", help="How long a conversation must fit."),
        click.option("--concurrency", type=click.IntRange(1), metavar="N", help="How many requests at once must fit."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def transfer_options(command: _Decorated) -> _Decorated:
    """Add the options that say what the making of the artifact may use."""
    options = (
        click.option("--limit-rate", type=ByteSize(), metavar="SIZE", help="At most so many bytes a second: 20MB."),
        click.option(
            "--disk",
            type=ByteSize(zero=True),
            metavar="SIZE",
            help="Use at most so much disk; only --convert-weights needs some.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def limits_from(limit_rate: int | None, disk: int | None) -> "TransferLimits":
    """Return the limits that the options say."""
    from core.deployments.run import TransferLimits

    return TransferLimits(bytes_per_second=limit_rate, disk_bytes=disk)


def choices_from(session: Session, options: dict[str, Any], plan: "Plan | None" = None) -> "Choices":
    """Return what the options, the environment, the plan and the config file say; the rest is the planner's.

    Raises:
        UsageError: a name or number is malformed.
    """
    from core.deployments.names import check_endpoint_name
    from core.deployments.planner import NEW_ROLE, Choices
    from core.instances.catalog import find_instance_type

    endpoint = plan.endpoint if plan else None
    choices = Choices(
        name=options["name"],
        instance_type=session.setting(
            "instance_type", option=options["instance_type"], plan=endpoint.instance_type if endpoint else None
        ),
        instance_count=number_setting(
            session, "instance_count", options["instance_count"], plan=endpoint.instance_count if endpoint else None
        )
        or 1,
        # Of a plan that creates a role, the word keeps whatever name the plan gives it.
        role=session.setting("role", option=options["role"], plan=(plan.role.arn or NEW_ROLE) if plan else None),
        bucket=session.setting("bucket", option=options["bucket"], plan=plan.artifact.bucket if plan else None),
        template=options["template"],
        form=options["form"],
        kms_key=session.setting("kms_key", option=options["kms_key"], plan=plan.artifact.kms_key if plan else None),
        # A plan was decided for a context: then only an option changes it, not a setting for plans to come.
        context=options["context"] if plan else number_setting(session, "context", options["context"]),
        concurrency=options["concurrency"] or 1,
        without_quota=bool(options.get("without_quota")),
        convert=bool(options.get("convert")),
    )
    if choices.name is not None:
        check_endpoint_name(choices.name)
    if choices.instance_type is not None:
        find_instance_type(choices.instance_type)
    return choices


def number_setting(session: Session, name: str, option: int | None, *, plan: int | None = None) -> int | None:
    """Return a setting that is a whole number above 0; `None` where nothing says one.

    Raises:
        UsageError: what the environment or the config file says is no such number.
    """
    from core.errors import UsageError

    value = session.setting(name, option=option, plan=plan)
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise UsageError(f"The setting {name} must be a whole number above 0, not “{value}”.", fix="Correct it.")
    return number
