"""Whether the image of a plan runs where the plan puts it: what an edited instance type or region may have parted."""

import re
from typing import Final

from core.deployments.plan import Plan
from core.errors import RefusedError
from core.external_text import clean_line
from core.instances.catalog import InstanceType, find_instance_type
from core.serving.engines import ENGINES, engine_of_image
from core.serving.images import image_repository_arn

_PROCESSOR: Final = re.compile(r"(?:^|[-.])(cpu|gpu|neuron)x?(?=[-.]|$)")
"""How tags of AWS's images name the processor: `2.6.0-transformers4.51.3-cpu-py312-ubuntu22.04`."""
_HOST_PROCESSOR: Final = re.compile(r"-(gpu|neuron)-")
_WORDS: Final = {"cpu": "CPUs", "gpu": "GPUs", "neuron": "Neuron devices"}


def misplacement(plan: Plan) -> str | None:
    """Return in a sentence why the plan's image cannot run where the plan puts it; `None` where nothing says so.

    An image of somebody's own is taken to know its way, whatever its tag says.

    Raises:
        UsageError: the instance type is none of SageMaker's.
        RefusedError: the image is not one in ECR.
    """
    image, region = plan.container.image, plan.region
    instance = find_instance_type(plan.endpoint.instance_type)
    there = image_repository_arn(image, "aws").split(":")[3]
    if there != region:
        return (
            f"The plan is for {clean_line(region)}, but its image is in the registry of {there}, and SageMaker takes "
            "images from its own region only."
        )
    if not instance.specified:  # nobody knows its processor
        return None
    engine = ENGINES.get(engine_of_image(image) or "")
    built = _processor_of(image) if engine else None
    if built and built != instance.accelerator:
        return f"The plan's image is built for {_WORDS[built]}, but {instance.name} {_what(instance)}."
    if engine and not set(engine.architectures) & set(instance.architectures):
        return (
            f"The plan's image is built for {' or '.join(engine.architectures)} processors, but {instance.name} has "
            f"{' or '.join(instance.architectures)}."
        )
    host = plan.container.inference_ami_version or ""
    if (match := _HOST_PROCESSOR.search(host)) and match[1] != instance.accelerator:
        return f"The plan's host image {host} is for {_WORDS[match[1]]}, but {instance.name} {_what(instance)}."
    return None


def refuse_misplacement(plan: Plan) -> None:
    """Return when nothing says that the plan's image cannot run where the plan puts it.

    Raises:
        RefusedError: see `misplacement`.
        UsageError: the instance type is none of SageMaker's.
    """
    if reason := misplacement(plan):
        raise RefusedError(
            reason,
            fix=f"Make the plan anew, or run it with --instance-type {plan.endpoint.instance_type}, which decides the "
            "image anew.",
        )


def _what(instance: InstanceType) -> str:
    return f"has {_WORDS[instance.accelerator]}" if instance.accelerator != "cpu" else "has neither GPU nor Neuron"


def _processor_of(image: str) -> str | None:
    """Return the one processor that an image's tag names; `None` where it names none or several."""
    tag = image.partition("/")[2].partition("@")[0].partition(":")[2]
    named = set(_PROCESSOR.findall(tag))
    return named.pop() if len(named) == 1 else None
