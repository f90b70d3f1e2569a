"""Plans as files: YAML for people to read and edit, JSON for programs; both are read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from core.deployments.names import check_endpoint_name
from core.deployments.plan import PLAN_VERSION, Plan
from core.deployments.plan_values import check_values
from core.errors import NotFoundError, UsageError
from core.external_text import clean, clean_line
from core.instances.catalog import find_instance_type
from core.serving.images import image_repository_arn

SUFFIXES = (".yaml", ".yml", ".json")
_LARGEST_FILE = 16 * 2**20
# As the AWS APIs document them. The key prefix becomes part of an IAM policy too, where `*`, `?` and `$` mean more than
# themselves, and of what is deleted: it has to be a folder of its own.
_KEY_PREFIX: Final = re.compile(r"(?:(?!\.{1,2}/)[\w.-]+/)+", re.ASCII)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ROLE: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_VARIANT: Final = re.compile(r"(?=.{1,63}$)[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
_KMS_KEY: Final = re.compile(r"(?:arn:[\w-]+:kms:[\w-]+:\d{12}:)?(?:(?:key|alias)/)?[\w/-]{1,256}", re.ASCII)
"""A key as S3 takes it: an ARN, an id, or an alias."""
_VARIABLE: Final = re.compile(r"[a-zA-Z_]\w{0,1023}", re.ASCII)
_LONGEST_KEY_PREFIX: Final = 512
_HEADER = "# A sagewizard plan. Run it: sagewizard deploy FILE\n"


def looks_like_plan(text: str) -> bool:
    """Return whether a command's argument names a plan file rather than a model: by its suffix."""
    return text.lower().endswith(SUFFIXES)


def plan_to_json(plan: Plan) -> str:
    """Return the plan as an indented JSON document, in ASCII: it must be JSON whatever the locale of its reader is."""
    return json.dumps(_as_document(plan), indent=2)


def _as_document(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain values; only files in S3 have an etag."""
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(plan)
    for file in document["model"]["files"]:
        if file["etag"] is None:
            del file["etag"]
    return document


def plan_to_yaml(plan: Plan) -> str:
    """Return the plan as YAML."""
    import yaml

    return _HEADER + yaml.safe_dump(_as_document(plan), sort_keys=False, allow_unicode=True, width=120)


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
            f"The plan cannot be used: {clean_line(str(error))}.",
            fix="Correct it, or make it anew with `sagewizard plan`.",
        ) from error
    known = msgspec.to_builtins(plan)
    if unsafe := next((text for text in _texts(known) if clean(text) != text), None):
        raise UsageError(
            f"The plan has control characters in “{clean_line(unsafe)[:80]}”.", fix="Do not use it; make it anew."
        )
    if unknown := _unknown_keys(document, known):
        raise UsageError(
            f"The plan sets {clean_line(unknown)}, which is not part of a plan.", fix="Remove it, or correct its name."
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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = clean_line(str(error))
        raise UsageError(f"{path} cannot be read as a plan: {reason}.", fix="It must be YAML or JSON.") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} is not a plan.", fix="Write one with `sagewizard plan MODEL -o FILE`.")
    return plan_from(document)


def check_plan(plan: Plan) -> None:
    """Return when the plan's own values are ones AWS accepts and a run can use; nothing is asked of AWS.

    Whether they go together, the image and the instance type say, is `core.deployments.placement`'s to tell.

    Raises:
        UsageError: one is not; the sentence names it.
        RefusedError: the image is not one in ECR.
    """
    if plan.version != PLAN_VERSION:
        raise UsageError(
            f"The plan is of version {plan.version}; this program runs version {PLAN_VERSION}.",
            fix="Make it anew with `sagewizard plan`.",
        )
    check_values(plan)
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
    _check_forms(plan)
    image_repository_arn(plan.container.image, "aws")
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


def _check_forms(plan: Plan) -> None:
    variable = "Its name needs letters, digits and _, and no digit first."
    for where, value, form, fix in (
        ("artifact.key_prefix", plan.artifact.key_prefix, _KEY_PREFIX, "Name a folder, such as sagemaker/models/."),
        ("artifact.bucket", plan.artifact.bucket, _BUCKET, "It has 3 to 63 small letters, digits, dots and hyphens."),
        ("artifact.kms_key", plan.artifact.kms_key, _KMS_KEY, "Give the key's ARN, its id, or alias/NAME."),
        ("role.create", plan.role.create, _ROLE, "A role's name has up to 64 letters, digits and any of +=,.@_-."),
        ("endpoint.variant", plan.endpoint.variant, _VARIANT, "It has up to 63 letters, digits and hyphens."),
        *(("a variable in container.environment", name, _VARIABLE, variable) for name in plan.container.environment),
    ):
        if value is not None and not form.fullmatch(value):
            raise UsageError(
                f"The plan sets {where} to “{clean_line(value)[:80]}”, which is none that can be used.", fix=fix
            )
    if len(plan.artifact.key_prefix) > _LONGEST_KEY_PREFIX:
        raise UsageError(
            f"The plan's key prefix is longer than {_LONGEST_KEY_PREFIX} characters.", fix="Shorten it in the plan."
        )


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a decoded document, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


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
