"""Container images: which one serves on an instance type in a region.

URIs come from the SageMaker Python SDK's `image_uris`, which knows the registry of each region but does not check that
an image fits the instance: it gives CUDA images to CPU types and x86 images to newer Graviton types. What is checked
here: processor, architecture, and whether the image's CUDA knows the GPU's generation.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from core.errors import RefusedError, SagewizardError
from core.external_text import clean_line
from core.instances.catalog import InstanceType
from core.serving.engines import ENGINES, HUGGINGFACE

_OLDEST_TRANSFORMERS = (4, 49)  # what the inference templates are written for

# The first CUDA release with code for a GPU's generation (CUDA Toolkit release notes, "New features"): Blackwell data
# centre and workstation parts 12.8, B300 12.9. Every generation before runs with any CUDA 12.
_FIRST_CUDA: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"B200": (12, 8), "B300": (12, 9), "RTX PRO 4500": (12, 8), "RTX PRO Server 6000": (12, 8)}
)

# The host image whose NVIDIA driver runs an image's CUDA: 550 for CUDA 12, 580 for CUDA 13 (SageMaker API reference,
# ProductionVariant.InferenceAmiVersion; the pairs are those of AWS's own container tests).
_HOST_IMAGES: Mapping[int, str] = MappingProxyType(
    {12: "al2-ami-sagemaker-inference-gpu-3-1", 13: "al2023-ami-sagemaker-inference-gpu-4-1"}
)

# The SDK guesses the processor from a type's name, wrongly for new families; it is asked for types it knows.
_ASKED_FOR: Mapping[Literal["cpu", "gpu"], str] = MappingProxyType({"cpu": "ml.m5.large", "gpu": "ml.g5.xlarge"})

_REGISTRY = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+")
_CUDA = re.compile(r"-cu(\d{2})(\d)(?:-|$)")


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """A serving image. `version` is that of `framework` (transformers); `cuda` is `12.4`, `None` for a CPU image.

    `inference_ami_version` is the host image to ask for in the endpoint's configuration, `None` on CPU.
    """

    uri: str
    framework: str
    version: str
    accelerator: Literal["cpu", "gpu"]
    cuda: str | None
    inference_ami_version: str | None


def huggingface_image(instance: InstanceType, region: str) -> ContainerImage:
    """Return the newest Hugging Face inference image for `instance` in `region`.

    The first call imports the SageMaker SDK (1 to 2 seconds).

    Raises:
        RefusedError: no image of that kind runs there; the message says why.
    """
    _refuse_processor(instance)
    reason = "the SDK knows no version of it"
    for version, base, python in _huggingface_versions():
        try:
            image = _image(instance, region, version, base, python)
        except _UnusableError as unusable:
            reason = unusable.message
            continue
        return image
    raise RefusedError(
        f"No Hugging Face inference image serves on {instance.name} in {clean_line(region)}: {reason}.",
        fix="Choose another instance type or region; `sagewizard fit MODEL` lists the types that work.",
    )


def image_repository_arn(uri: str, partition: str) -> str:
    """Return the ARN of the ECR repository that `uri` is in, for an IAM policy.

    Raises:
        RefusedError: `uri` is not that of an image in ECR.
    """
    registry, _, rest = uri.partition("/")
    repository = rest.partition("@")[0].partition(":")[0]
    parts = _REGISTRY.fullmatch(registry)
    if not parts or not repository:
        raise RefusedError(
            f"“{clean_line(uri)}” is not an image in Amazon ECR, and SageMaker takes its images from nowhere else.",
            fix="Give the URI as ECR shows it: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG.",
        )
    return f"arn:{partition}:ecr:{parts['region']}:{parts['account']}:repository/{repository}"


class _UnusableError(SagewizardError):
    """One version of the image cannot be used; an older one may."""


def _refuse_processor(instance: InstanceType) -> None:
    engine = ENGINES[HUGGINGFACE]
    reason = None
    if not instance.specified:
        reason = "its processor is not known to this program"
    elif instance.accelerator not in engine.accelerators:
        reason = "it computes on Neuron devices, and the image has no Neuron build"
    elif not set(instance.architectures) & set(engine.architectures):
        reason = f"its processor is {' or '.join(instance.architectures)}, and the image is built for x86_64"
    if reason:
        raise RefusedError(
            f"The Hugging Face inference image does not run on {instance.name}: {reason}.",
            fix="Choose an instance type with x86 processors, with or without NVIDIA GPUs.",
        )


def _image(instance: InstanceType, region: str, version: str, base: str, python: str | None) -> ContainerImage:
    accelerator: Literal["cpu", "gpu"] = "gpu" if instance.gpu else "cpu"
    uri = _retrieve(version, base, python, _ASKED_FOR[accelerator], region)
    tag = uri.rpartition(":")[2]
    if f"-{accelerator}-" not in tag:
        raise _UnusableError(f"the image that the SDK names ({clean_line(tag)}) is not a {accelerator} image")
    if not instance.gpu:
        return ContainerImage(uri, "transformers", version, "cpu", None, None)
    found = _CUDA.search(tag)
    if not found:
        raise _UnusableError(f"the tag of its image ({clean_line(tag)}) does not say which CUDA it has")
    cuda = (int(found[1]), int(found[2]))
    if cuda < (needed := _FIRST_CUDA.get(instance.gpu.name, cuda)):
        raise _UnusableError(
            f"its {instance.gpu.name} GPUs need CUDA {needed[0]}.{needed[1]}, and the image has {cuda[0]}.{cuda[1]}"
        )
    if cuda[0] not in _HOST_IMAGES:
        raise _UnusableError(f"no host image is known whose driver runs CUDA {cuda[0]}.{cuda[1]}")
    return ContainerImage(uri, "transformers", version, "gpu", f"{cuda[0]}.{cuda[1]}", _HOST_IMAGES[cuda[0]])


@cache
def _retrieve(version: str, base: str, python: str | None, instance_type: str, region: str) -> str:
    from sagemaker.core import image_uris

    try:
        uri = image_uris.retrieve(
            HUGGINGFACE,
            region,
            version=version,
            base_framework_version=base,
            py_version=python,
            instance_type=instance_type,
            image_scope="inference",
        )
    except (ValueError, KeyError, TypeError) as error:  # what the SDK raises for all that it does not know
        text = clean_line(str(error))
        if text.startswith("Unsupported region"):
            raise _UnusableError("AWS publishes no such image in this region") from error
        raise _UnusableError(f"the SDK says: {text.rstrip('.')}") from error
    return str(uri)


@cache
def _huggingface_versions() -> tuple[tuple[str, str, str | None], ...]:
    """Versions of transformers with their PyTorch and Python, newest first, out of the SDK's own data."""
    from sagemaker.core import image_uris

    config = image_uris.config_for_framework(HUGGINGFACE)["inference"]["versions"]
    usable = [version for version in config if _order(version) >= _OLDEST_TRANSFORMERS]
    return tuple(found for version in sorted(usable, key=_order, reverse=True) for found in _builds(version, config))


def _builds(version: str, config: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    bases = [name for name in config[version] if name.startswith("pytorch")]
    for base in sorted(bases, key=lambda name: _order(name.removeprefix("pytorch")), reverse=True):
        pythons = config[version][base].get("py_versions") or [None]
        yield version, base, max(pythons, key=lambda name: _order((name or "py0").removeprefix("py")))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
