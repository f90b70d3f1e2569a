"""What `fit`, `plan`, `package` and `deploy` share: the model that was named, looked at, and the options of a plan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.output import message
from tui.session import Session

if TYPE_CHECKING:
    from core.aws.clients import Clients
    from core.deployments.plan import Plan
    from core.deployments.planner import Choices
    from core.instances.fit import FitTable
    from core.models.facts import ModelFacts, WeightSet

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Study:
    """A model and what of it will be packaged."""

    facts: "ModelFacts"
    weights: "WeightSet"

    def table(self, session: Session, clients: "Clients | None", choices: "Choices") -> "FitTable":
        """Return the fit table for the choices; without `clients`, from what the program itself knows."""
        from core.instances.survey import survey

        with session.politely():
            return survey(
                self.facts,
                self.weights,
                clients,
                cancel=session.cancel,
                context=choices.context,
                concurrency=choices.concurrency,
            )


def study(session: Session, text: str) -> Study:
    """Return the model that `text` names, having looked at it where it is.

    Raises:
        SagewizardError: it cannot be found or read, or has no weights that can be packaged.
    """
    from core.models.inspection import inspect_model
    from core.models.reference import parse_reference
    from core.models.weight_set import select_weight_set

    reference = parse_reference(text)
    message(f"Looking at {reference}.")
    with session.politely():
        facts = inspect_model(reference, session.hub(), session.cancel)
    for warning in facts.warnings:
        message(f"Warning: {warning}")
    return Study(facts, select_weight_set(facts))


def plan_options(command: _Decorated) -> _Decorated:
    """Add the options by which a person decides what the planner would decide alone."""
    options = (
        click.option("--name", metavar="NAME", help="The endpoint's name. [the model's]"),
        click.option("--instance-type", metavar="TYPE", help="The instance type. [the cheapest that fits]"),
        click.option("--instance-count", type=click.IntRange(1), metavar="N", help="How many instances. [1]"),
        click.option("--role", metavar="NAME|ARN|create", help="The execution role. [create one for this endpoint]"),
        click.option("--bucket", metavar="NAME", help="The bucket for the artifact. [the account's default bucket]"),
        click.option("--template", metavar="NAME|FOLDER", help="The inference template. [by the model's task]"),
        click.option("--context", type=click.IntRange(1), metavar="TOKENS", help="How long a conversation must fit."),
        click.option("--concurrency", type=click.IntRange(1), metavar="N", help="How many requests at once must fit."),
    )
    for option in reversed(options):
        command = option(command)
    return command


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
        # A plan was decided for a context: then only an option changes it, not a setting for plans to come.
        context=options["context"] if plan else number_setting(session, "context", options["context"]),
        concurrency=options["concurrency"] or 1,
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
