"""Plans as files: YAML for people to read and edit, JSON for programs; both are read."""

from pathlib import Path
from typing import Any

from core.deployments.names import check_endpoint_name
from core.deployments.plan import PLAN_VERSION, Plan
from core.errors import NotFoundError, UsageError
from core.instances.catalog import find_instance_type

SUFFIXES = (".yaml", ".yml", ".json")
_LARGEST_FILE = 16 * 2**20
_HEADER = "# A sagewizard plan. Run it: sagewizard deploy FILE\n"


def looks_like_plan(text: str) -> bool:
    """Return whether a command's argument names a plan file rather than a model: by its suffix."""
    return text.lower().endswith(SUFFIXES)


def plan_to_json(plan: Plan) -> str:
    """Return the plan as an indented JSON document."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(plan), indent=2).decode()


def plan_to_yaml(plan: Plan) -> str:
    """Return the plan as YAML."""
    import msgspec
    import yaml

    return _HEADER + yaml.safe_dump(msgspec.to_builtins(plan), sort_keys=False, allow_unicode=True, width=120)


def plan_from(document: Any) -> Plan:
    """Return the plan that a decoded JSON or YAML document holds.

    Raises:
        UsageError: a part is missing, unknown, of the wrong type, or outside what AWS accepts.
    """
    import msgspec

    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"The plan cannot be used: {error}.", fix="Correct it, or make it anew with `sagewizard plan`."
        ) from error
    if unknown := _unknown_keys(document, msgspec.to_builtins(plan)):
        raise UsageError(
            f"The plan sets {unknown}, which is not part of a plan.", fix="Remove it, or correct its name."
        )
    check_plan(plan)
    return plan


def read_plan(path: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        NotFoundError: there is no such file.
        UsageError: it is no plan, or not one this version can run.
    """
    import yaml

    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UsageError(
                f"{path} is far too large for a plan.", fix="Name the file that `sagewizard plan -o` wrote."
            )
        document = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no plan file {path}.", fix="Write one with `sagewizard plan MODEL -o FILE`."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} cannot be read as a plan: {reason}.", fix="It must be YAML or JSON.") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} is not a plan.", fix="Write one with `sagewizard plan MODEL -o FILE`.")
    return plan_from(document)


def check_plan(plan: Plan) -> None:
    """Return when the plan's own values are ones AWS accepts; nothing is asked of AWS.

    Raises:
        UsageError: one is not; the sentence names it.
    """
    if plan.version != PLAN_VERSION:
        raise UsageError(
            f"The plan is of version {plan.version}; this program runs version {PLAN_VERSION}.",
            fix="Make it anew with `sagewizard plan`.",
        )
    endpoint = plan.endpoint
    check_endpoint_name(endpoint.name)
    find_instance_type(endpoint.instance_type)
    if endpoint.instance_count < 1:
        raise UsageError(
            f"An endpoint needs at least one instance, not {endpoint.instance_count}.", fix="Set the count to 1."
        )
    for what, seconds in (
        ("startup", endpoint.startup_timeout_seconds),
        ("download", endpoint.download_timeout_seconds),
    ):
        if not 60 <= seconds <= 3600:
            raise UsageError(
                f"The {what} timeout is {seconds} s; SageMaker allows 60 to 3600.", fix="Change it in the plan."
            )
    environment = plan.container.environment
    if len(environment) > 100 or any(len(value) > 1024 for value in environment.values()):
        raise UsageError(
            "The container's environment is too large: SageMaker allows 100 variables of 1,024 characters.",
            fix="Shorten it in the plan.",
        )
    if (plan.role.arn is None) == (plan.role.create is None):
        raise UsageError(
            "The plan must either name a role's ARN or create one.", fix="Set exactly one of role.arn and role.create."
        )


def _unknown_keys(given: Any, known: Any, at: str = "") -> str | None:
    """Return the dotted name of the first key in `given` that decoding left out of `known`."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                return f"{at}{key}"
            if found := _unknown_keys(value, known[key], f"{at}{key}."):
                return found
    elif isinstance(given, list) and isinstance(known, list):
        for number, (value, kept) in enumerate(zip(given, known, strict=True)):
            if found := _unknown_keys(value, kept, f"{at}{number}."):
                return found
    return None
