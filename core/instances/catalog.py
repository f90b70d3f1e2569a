"""The catalog of instance types that CreateEndpointConfig accepts.

Specifications come from EC2's data for the type of the same name (`data/instances.json`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

from core.errors import UsageError

Accelerator = Literal["cpu", "gpu", "neuron"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPUs of an instance type: `count` devices of `memory_bytes` each, as the API reports it."""

    name: str
    count: int
    memory_bytes: int


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
        gpu=Gpu(gpus[0]["name"], gpus[0]["count"], gpus[0]["memory_mib"] * 2**20) if gpus else None,
        neuron=row["neuron"] is not None,
    )
