"""What the values inside a plan may be: engines, formats, numbers and files that a run can do something with."""

from collections.abc import Collection, Iterator
from functools import cache
from typing import Any, Final

from core.artifacts.converted_tree import refuse_nothing_to_convert
from core.deployments.plan import DIALECTS, Plan
from core.errors import RefusedError, UsageError
from core.external_text import clean_line
from core.instances.requirements import MOST
from core.models.layout import CONFIG, kind_of
from core.models.paths import refuse_odd_paths
from core.serving.engines import ENGINES

_LARGEST_NUMBER: Final = 2**63 - 1
_LARGEST_VOLUME_GB: Final = 512
"""`VolumeSizeInGB` is 1 to 512 (botocore's model of CreateEndpointConfig)."""
_WEIGHTS: Final = {"safetensors": ".safetensors", "pytorch": ".bin", "gguf": ".gguf"}
_ANEW: Final = "Correct it, or make the plan anew with `sagewizard plan`."


def check_values(plan: Plan) -> None:
    """Return when the plan's numbers, words and files are ones that a run can use.

    Raises:
        UsageError: one is not; the sentence names it.
    """
    _check_numbers(plan)
    _check_files(plan)
    volume = plan.endpoint.volume_gb
    if volume is not None and not 1 <= volume <= _LARGEST_VOLUME_GB:
        raise UsageError(
            f"The plan's endpoint.volume_gb is {volume}; SageMaker allows 1 to {_LARGEST_VOLUME_GB} GB.",
            fix="Change it in the plan, or remove it for the default.",
        )
    for what, number in (("context", plan.endpoint.context), ("concurrency", plan.endpoint.concurrency)):
        if number is not None and not 1 <= number <= MOST:
            raise UsageError(
                f"The plan's endpoint.{what} is {number}; it must be from 1 to a billion.",
                fix="Change it in the plan, or remove it for the default.",
            )
    container = plan.container
    _check_word("container.engine", container.engine, ENGINES)
    _check_word("container.dialect", container.dialect, DIALECTS)
    if container.inference_ami_version is not None:
        _check_word("container.inference_ami_version", container.inference_ami_version, _host_images())


def _check_word(where: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise UsageError(
            f"The plan sets {where} to “{clean_line(value)[:80]}”, which is none of {', '.join(known)}.", fix=_ANEW
        )


def _check_numbers(plan: Plan) -> None:
    import msgspec

    for where, number in _numbers(msgspec.to_builtins(plan)):
        if not 0 <= number <= _LARGEST_NUMBER:  # which "not a number" is not either
            raise UsageError(
                f"The plan sets {where} to {str(number)[:40]}; it must be a number from 0 to 2^63.", fix=_ANEW
            )


def _numbers(value: Any, at: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number in a decoded document, with its dotted name."""
    if isinstance(value, int | float):
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _numbers(inner, f"{at}.{place}")


def _check_files(plan: Plan) -> None:
    paths = [file.path for file in plan.model.files]
    try:
        refuse_odd_paths(paths, "The plan's list model.files")
    except RefusedError as error:
        raise UsageError(error.message, fix=_ANEW) from error
    suffix = _WEIGHTS[plan.model.weight_format]
    if not any(path.lower().endswith(suffix) for path in paths):
        raise UsageError(
            f"The plan lists no weights: none of model.files is a {plan.model.weight_format} file (*{suffix}).",
            fix=_ANEW,
        )
    if kind_of(paths) is None:
        raise UsageError(f"The plan lists no {CONFIG} among model.files, without which no model loads.", fix=_ANEW)
    if plan.artifact.convert:
        refuse_nothing_to_convert(paths, plan.model.reference)


@cache
def _host_images() -> tuple[str, ...]:
    """Return the host images that CreateEndpointConfig takes, by AWS's own description of it."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    return tuple(model.shape_for("ProductionVariantInferenceAmiVersion").enum)
