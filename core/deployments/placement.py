"""Whether a plan's image and volume go with where the plan puts them: what an edited type or region may have parted."""

import re
from typing import Final

from core.deployments.plan import Plan
from core.errors import RefusedError
from core.external_text import clean_line
from core.instances.catalog import InstanceType, find_instance_type
from core.quantities import format_bytes
from core.serving.engines import ENGINES, engine_of_image
from core.serving.images import image_repository_arn

_PROCESSOR: Final = re.compile(r"(?:^|[-.])(cpu|gpu|neuron)x?(?=[-.]|$)")
"""How tags of AWS's images name the processor: `2.6.0-transformers4.51.3-cpu-py312-ubuntu22.04`."""
_HOST_PROCESSOR: Final = re.compile(r"-(gpu|neuron)-")
_WORDS: Final = {"cpu": "CPUs", "gpu": "GPUs", "neuron": "Neuron devices"}


def misplacement(plan: Plan) -> str | None:
    """Return in a sentence why the plan cannot run where it puts its image and volume; `None` where nothing says so.

    An image of somebody's own is taken to know its way, whatever its tag says.

    Raises:
        UsageError: the instance type is none of SageMaker's.
        RefusedError: the image is not one in ECR.
    """
    instance = find_instance_type(plan.endpoint.instance_type)
    return _misplaced_image(plan, instance) or _misplaced_volume(plan, instance)


def refuse_misplacement(plan: Plan) -> None:
    """Return when nothing says that the plan cannot run where it puts its image and volume.

    Raises:
        RefusedError: see `misplacement`.
        UsageError: the instance type is none of SageMaker's.
    """
    instance = find_instance_type(plan.endpoint.instance_type)
    if reason := _misplaced_image(plan, instance):
        raise RefusedError(
            reason,
            fix=f"Make the plan anew, or run it with --instance-type {instance.name}, which decides the image anew.",
        )
    if reason := _misplaced_volume(plan, instance):
        raise RefusedError(
            reason,
            fix="Remove endpoint.volume_gb from the plan, or run it with "
            f"--instance-type {instance.name}, which decides it anew.",
        )


def _misplaced_volume(plan: Plan, instance: InstanceType) -> str | None:
    """Return why SageMaker does not take the plan's volume; types whose own disk nobody knows are not judged."""
    if plan.endpoint.volume_gb is None or not instance.storage_bytes:
        return None
    return (
        f"The plan asks for a volume of {plan.endpoint.volume_gb} GB, but {instance.name} has a disk of its own "
        f"({format_bytes(instance.storage_bytes)}), beside which SageMaker attaches none."
    )


def _misplaced_image(plan: Plan, instance: InstanceType) -> str | None:
    image, region = plan.container.image, plan.region
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


def _what(instance: InstanceType) -> str:
    return f"has {_WORDS[instance.accelerator]}" if instance.accelerator != "cpu" else "has neither GPU nor Neuron"


def _processor_of(image: str) -> str | None:
    """Return the one processor that an image's tag names; `None` where it names none or several."""
    tag = image.partition("/")[2].partition("@")[0].partition(":")[2]
    named = set(_PROCESSOR.findall(tag))
    return named.pop() if len(named) == 1 else None
