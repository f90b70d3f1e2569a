"""Model facts: what is known of a model without downloading its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from core.models.figures import Confidence
from core.models.layout import ModelKind, WeightFormat, kind_of
from core.models.quantization import Quantization
from core.models.reference import ModelReference
from core.models.remote_code import RemoteCode

__all__ = [
    "LeftOut",
    "ModelFacts",
    "ModelFile",
    "Pipeline",
    "PipelinePart",
    "Popularity",
    "Scan",
    "ShardIndex",
    "WeightFormat",
    "WeightSet",
]

Scan = Literal["safe", "doubtful", "unsafe", "pending"]
"""The verdict of the Hub's scans on all files together; `pending`: they are not through yet."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its path below the model's root (`/` between parts), its size, and its digests if known.

    `sha256` is known of files the Hub keeps in LFS; `git_sha1` (the git blob id) of the others; `etag` of objects in
    S3, where it tells one version from another.
    """

    path: str
    bytes: int
    sha256: str | None = None
    git_sha1: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """A weight index (`model.safetensors.index.json`): its own path, and the files its weight map names."""

    path: str
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PipelinePart:
    """One part of a diffusers pipeline: its folder, and the library and class that load it."""

    folder: str
    library: str
    class_name: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A diffusers pipeline.

    `pixels` is the side of the picture that it is made for, `None` where it does not say. `code` are the modules of its
    own that it names, for itself or for parts, in place of a library.
    """

    class_name: str
    parts: tuple[PipelinePart, ...]
    pixels: int | None = None
    code: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Popularity:
    """What the Hub counts of a model; `None` where it does not say."""

    downloads: int | None = None
    likes: int | None = None
    last_modified: datetime | None = None


_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NO_COUNTS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model at one revision.

    `revision` is the commit, `None` for what has none. `config` is the model's `config.json`, or what the header of its
    GGUF file says in the same words; for an adapter it is `adapter_config.json`. `dtype` is the type most parameters
    are stored in, as PyTorch names it (`float16`); `parameters` counts them. `dtypes` counts the elements of all types
    in the checkpoint, as its format names them (`BF16`, `Q4_K`), where they are known. `gated` is `None` for an open
    model, otherwise the Hub's word for it (`auto`, `manual`); `private`: only its owners see it on the Hub. `indexes`
    are those of the weight files that were looked into.
    `unsafe_files` are those that the Hub's scans call unsafe; `lfs_pointers` those of a folder that are not the files
    themselves but what Git LFS put in their place. `base_models` are the models that this one says it was made from;
    `base` is what is known of the one that an adapter is for.
    """

    reference: ModelReference
    revision: str | None
    files: tuple[ModelFile, ...]
    config: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    task: str | None = None
    library: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    parameters_confidence: Confidence = "exact"
    dtype: str | None = None
    dtypes: Mapping[str, int] = field(default_factory=lambda: _NO_COUNTS)
    quantization: Quantization | None = None
    license: str | None = None
    gated: str | None = None
    private: bool = False
    chat_template: bool = False
    indexes: tuple[ShardIndex, ...] = ()
    pipeline: Pipeline | None = None
    sequence_limit: int | None = None
    """The longest input in tokens, where another file than `config.json` says so."""
    unsafe_files: tuple[str, ...] = ()
    scan: Scan | None = None
    lfs_pointers: tuple[str, ...] = ()
    remote_code: RemoteCode | None = None
    popularity: Popularity = field(default_factory=Popularity)
    base_models: tuple[str, ...] = ()
    base: "ModelFacts | None" = None
    warnings: tuple[str, ...] = ()

    @property
    def kind(self) -> ModelKind | None:
        """What loads the model, by its files; `None` when they do not tell."""
        return kind_of({file.path for file in self.files})

    @property
    def model_type(self) -> str | None:
        """transformers' word for the architecture's family: `gpt_neo`, `llama`."""
        value = self.config.get("model_type")
        return value if isinstance(value, str) else None

    @property
    def repository_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)

    @property
    def network(self) -> "ModelFacts":
        """The model whose network is run: the base of an adapter, else the model itself."""
        return self.base or self


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that will not be packaged, and why."""

    file: ModelFile
    reason: str


@dataclass(frozen=True, slots=True)
class WeightSet:
    """The files that will be packaged: one format of the weights, and what is needed beside them.

    `variant` is the one chosen of `variants` (`fp16` of a pipeline, `Q4_K_M` of GGUF files), `None` where there is no
    choice or the plain one was made. `base` is the weight set of the model that an adapter is for; what it holds is
    loaded too, and counted in `weight_bytes`. `remote_code`: the model's own code is among `support`, to be run.
    """

    format: WeightFormat
    weights: tuple[ModelFile, ...]
    support: tuple[ModelFile, ...]
    left_out: tuple[LeftOut, ...]
    variant: str | None = None
    variants: tuple[str, ...] = ()
    base: "WeightSet | None" = None
    remote_code: bool = False

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """All of the model's own that is packaged, by path."""
        return tuple(sorted((*self.weights, *self.support), key=lambda file: file.path))

    @property
    def weight_bytes(self) -> int:
        """The size of the weights on disk, those of an adapter's base included."""
        return sum(file.bytes for file in self.weights) + (self.base.weight_bytes if self.base else 0)

    @property
    def packaged_bytes(self) -> int:
        """The size of all that is packaged, an adapter's base included."""
        return sum(file.bytes for file in self.files) + (self.base.packaged_bytes if self.base else 0)

    @property
    def shards(self) -> int:
        """How many files the weights are in."""
        return len(self.weights) + (self.base.shards if self.base else 0)
