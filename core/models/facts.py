"""Model facts: what is known of a model without downloading its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from core.models.reference import ModelReference


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its path below the model's root (`/` between parts), its size, and its digests if known.

    `sha256` is known of files the Hub keeps in LFS; `git_sha1` (the git blob id) of the others.
    """

    path: str
    bytes: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """A weight index (`model.safetensors.index.json`): its own path, and the files its weight map names."""

    path: str
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model at one revision.

    `revision` is the commit, `None` for a folder. `dtype` is the type most parameters are stored in, as PyTorch names
    it (`float16`); `parameters` counts elements of all tensors in the checkpoint. `gated` is `None` for an open model,
    otherwise the Hub's word for it (`auto`, `manual`). `indexes` are those of the weight files that were looked into.
    `unsafe_files` are those that the Hub's scans call unsafe; `lfs_pointers` those of a folder that are not the files
    themselves but what Git LFS put in their place.
    """

    reference: ModelReference
    revision: str | None
    files: tuple[ModelFile, ...]
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    task: str | None = None
    library: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    dtype: str | None = None
    license: str | None = None
    gated: str | None = None
    chat_template: bool = False
    indexes: tuple[ShardIndex, ...] = ()
    unsafe_files: tuple[str, ...] = ()
    lfs_pointers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def model_type(self) -> str | None:
        """transformers' word for the architecture's family: `gpt_neo`, `llama`."""
        value = self.config.get("model_type")
        return value if isinstance(value, str) else None

    @property
    def repository_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)


WeightFormat = Literal["safetensors", "pytorch"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that will not be packaged, and why."""

    file: ModelFile
    reason: str


@dataclass(frozen=True, slots=True)
class WeightSet:
    """The files that will be packaged: one format of the weights, and what is needed beside them."""

    format: WeightFormat
    weights: tuple[ModelFile, ...]
    support: tuple[ModelFile, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """All that is packaged, by path."""
        return tuple(sorted((*self.weights, *self.support), key=lambda file: file.path))

    @property
    def weight_bytes(self) -> int:
        """The size of the weights on disk."""
        return sum(file.bytes for file in self.weights)

    @property
    def packaged_bytes(self) -> int:
        """The size of all that is packaged."""
        return sum(file.bytes for file in self.files)

    @property
    def shards(self) -> int:
        """How many files the weights are in."""
        return len(self.weights)
