"""The catalog of instance types that CreateEndpointConfig accepts.

Specifications come from EC2's data for the type of the same name (`data/instances.json`, which
`core.instances.catalog_refresh` makes).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

from core.errors import UsageError

Accelerator = Literal["cpu", "gpu", "neuron"]

# NVIDIA, "CUDA GPU Compute Capability" (developer.nvidia.com/cuda-gpus) and its page of legacy GPUs, by EC2's names.
# The A10G and the T4g, which only AWS has, are of the architectures of the A10 and the T4.
_COMPUTE_CAPABILITIES: Final[Mapping[str, tuple[int, int]]] = {
    "K80": (3, 7),
    "M60": (5, 2),
    "V100": (7, 0),
    "T4": (7, 5),
    "T4g": (7, 5),
    "A100": (8, 0),
    "A10G": (8, 6),
    "L4": (8, 9),
    "L40S": (8, 9),
    "H100": (9, 0),
    "H200": (9, 0),
    "B200": (10, 0),
    "B300": (10, 3),
    "RTX PRO 4500": (12, 0),
    "RTX PRO Server 6000": (12, 0),
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPUs of an instance type: `count` devices of `memory_bytes` each, as the API reports it.

    `compute_capability` is NVIDIA's, major and minor, which tells what software runs on it; `None` where not known.
    """

    name: str
    count: int
    memory_bytes: int
    compute_capability: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One instance type. Sizes are bytes; `memory_bytes` is 0 where no specification is known."""

    name: str
    vcpus: int
    memory_bytes: int
    storage_bytes: int
    architectures: tuple[str, ...]
    gpu: Gpu | None
    neuron: bool

    @property
    def family(self) -> str:
        """The family: `ml.g5` for `ml.g5.2xlarge`."""
        return self.name.rsplit(".", 1)[0]

    @property
    def accelerator(self) -> Accelerator:
        """What does the arithmetic: `gpu`, `neuron`, or the `cpu` itself."""
        return "gpu" if self.gpu else "neuron" if self.neuron else "cpu"

    @property
    def specified(self) -> bool:
        """Whether its memory is known."""
        return self.memory_bytes > 0


@cache
def catalog() -> Mapping[str, InstanceType]:
    """Return every instance type SageMaker hosting accepts, by name, including those without a specification."""
    data = json.loads(files("core.instances").joinpath("data/instances.json").read_text(encoding="utf-8"))
    types = {name: _from_data(name, row) for name, row in data["types"].items()}
    for name in data["missing"]:
        types[name] = InstanceType(name, 0, 0, 0, (), None, neuron=False)
    return MappingProxyType(types)


def find_instance_type(name: str) -> InstanceType:
    """Return the instance type called `name`.

    Raises:
        UsageError: SageMaker hosting has no such type.
    """
    try:
        return catalog()[name]
    except KeyError:
        from difflib import get_close_matches

        near = get_close_matches(name if name.startswith("ml.") else f"ml.{name}", catalog(), n=3, cutoff=0.75)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`sagewizard fit MODEL` lists the types that work."
        raise UsageError(f"“{name}” is not an instance type that SageMaker hosts endpoints on.", fix=hint) from None


def _from_data(name: str, row: Mapping[str, Any]) -> InstanceType:
    gpus = row["gpus"]
    return InstanceType(
        name=name,
        vcpus=row["vcpus"],
        memory_bytes=row["memory_mib"] * 2**20,
        storage_bytes=row["local_storage_gb"] * 10**9,
        architectures=tuple(row["architectures"]),
        gpu=_gpu(gpus[0]) if gpus else None,
        neuron=row["neuron"] is not None,
    )


def _gpu(row: Mapping[str, Any]) -> Gpu:
    name = row["name"]
    return Gpu(name, row["count"], row["memory_mib"] * 2**20, _COMPUTE_CAPABILITIES.get(name))
