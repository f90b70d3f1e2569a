"""What a model needs of a machine, by the rules of the engine that runs it. All sizes are bytes.

Three budgets: the memory of each GPU, the host's memory, and the disk. Each need is a sum of terms (`Term`) that can be
shown with their formulas (`core.instances.breakdown`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType
from typing import Final, Literal

from core.errors import UsageError
from core.instances.catalog import InstanceType
from core.instances.engine_rules import EngineRules
from core.instances.gpu_sharing import Divisibility, divisibility
from core.models.facts import ModelFacts, WeightSet
from core.models.kv_cache import KvCache, layer_count
from core.models.memory import cache_bytes, cache_of, context_limit
from core.models.tasks import generates

_GIB: Final = 2**30
DEFAULT_CONTEXT: Final = 4096
"""Tokens that are planned for when nobody says; a model that attends to fewer is planned at its own limit."""
MOST: Final = 10**9
"""The largest context, and the most requests at once, that are reckoned with."""
HOST_RESERVED: Final = _GIB // 2
"""What the host's own system and SageMaker's agents keep."""
DEFAULT_VOLUME: Final = 30 * 10**9
"""The volume that SageMaker attaches to an instance without a disk of its own, when the config asks for none."""
LARGEST_VOLUME: Final = 512 * 10**9
"""The largest that a config can ask for (`VolumeSizeInGB`)."""
DISK_SPARE: Final = 10**9
"""Room for logs, and for packages that `requirements.txt` brings."""
BYTES_PER_PIXEL: Final = 3 * 2**10
"""What decoding a picture takes for each of its pixels: about six tensors of 256 channels in 16 bits in an image
decoder's last block. For 1024 × 1024 it makes 3 GiB; SDXL is said to need 10 to 12 GB with 7 GB of weights."""
BYTES_PER_VCPU: Final = 10**9
"""Weights that a virtual CPU can read five times a second (5 GB/s of memory bandwidth each): five tokens a second."""
PICTURE_SIDE: Final = 1024
"""The side of a picture where the pipeline does not say."""

_SEEN_MIB: Final[Mapping[tuple[str, int], int]] = MappingProxyType(
    {("T4", 16384): 15_095, ("A100", 40960): 40_326, ("H100", 81920): 81_089}
)
"""What CUDA sees of a GPU (`torch.cuda.get_device_properties`), where EC2 reports its nominal size (both MiB)."""

Part = Literal["weights", "cache", "picture", "workspace", "runtime", "packaged", "unpacked", "image", "spare"]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a need, in bytes."""

    part: Part
    bytes: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """What one model needs at a number of tokens in the cache for each of `concurrency` requests.

    `context` is what was planned for, `None` where neither the person nor the model says; `limit` is the model's own.
    `cache` is `None` where it is not known. `value_bytes` is the size of a cached value. `full_width` are weights of 32
    bits, which some engines halve. `cpu_limit` are the weights above which no CPU is recommended. `generates`: all
    weights are read for each token, and several GPUs can share them.
    """

    weight_bytes: int
    packaged_bytes: int
    cache: KvCache | None
    value_bytes: int
    full_width: bool
    context: int | None
    limit: int | None
    concurrency: int
    layers: int | None
    divides: Divisibility
    generates: bool
    picture_bytes: int
    cpu_limit: int

    def loaded_bytes(self, engine: EngineRules, *, gpu: bool) -> int:
        """Return the size of the weights once they are loaded."""
        return ceil(self.weight_bytes / 2) if gpu and engine.halves and self.full_width else self.weight_bytes

    def cached_value_bytes(self, engine: EngineRules, *, gpu: bool) -> int:
        """Return the size of one cached value on this engine."""
        return 2 if gpu and engine.halves and self.full_width else self.value_bytes

    def cache_bytes(self, engine: EngineRules, gpus: int, context: int | None, *, gpu: bool) -> int:
        """Return what one of `gpus` GPUs (or the host) keeps of all sequences, each `context` tokens long."""
        if self.cache is None or context is None:
            return 0
        divided = gpus if engine.sharing == "tensor" else 1
        each = self.cache.values(context, gpus=divided, margin=engine.computes_at_once)
        whole = each * self.cached_value_bytes(engine, gpu=gpu) * self.concurrency
        return whole if divided == gpus else self._largest_share(whole, gpus)

    def gpu_terms(self, engine: EngineRules, gpus: int, context: int | None) -> tuple[Term, ...]:
        """Return what the fullest of `gpus` GPUs needs at a context."""
        weights = self.loaded_bytes(engine, gpu=True)
        held = ceil(weights / gpus) if engine.sharing == "tensor" else self._largest_share(weights, gpus)
        return (
            Term("weights", held),
            Term("cache", self.cache_bytes(engine, gpus, context, gpu=True)),
            *self._picture_term,
            Term("workspace", engine.gpu_workspace),
        )

    def host_terms(self, engine: EngineRules, gpus: int, context: int | None) -> tuple[Term, ...]:
        """Return what the host's memory needs, with `gpus` GPUs or with none (0)."""
        if gpus:
            return (
                Term("weights", self.weight_bytes),
                Term("runtime", engine.host_fixed + engine.host_each * gpus),
            )
        return (
            Term("weights", engine.cpu_loading * self.weight_bytes),
            Term("cache", self.cache_bytes(engine, 1, context, gpu=False)),
            *self._picture_term,
            Term("runtime", engine.cpu_fixed),
        )

    def disk_terms(self, engine: EngineRules, instance: InstanceType) -> tuple[Term, ...]:
        """Return what the disk must hold: the artifact, what is unpacked from it, the image."""
        unpacked = (Term("unpacked", self.packaged_bytes),) if engine.packs(self.packaged_bytes) else ()
        image = engine.image.get("gpu" if instance.gpu else "cpu", 0)
        return (Term("packaged", self.packaged_bytes), *unpacked, Term("image", image), Term("spare", DISK_SPARE))

    @property
    def _picture_term(self) -> tuple[Term, ...]:
        return (Term("picture", self.picture_bytes),) if self.picture_bytes else ()

    def most_on_cpu(self, instance: InstanceType) -> int:
        """Return the weights above which an instance's CPU takes too long for an answer to all requests at once."""
        limit = min(self.cpu_limit, instance.vcpus * BYTES_PER_VCPU) if self.generates else self.cpu_limit
        return limit // self.concurrency

    def _largest_share(self, whole: int, gpus: int) -> int:
        part, parts = self.share(gpus)
        return ceil(whole * part / parts)

    def share(self, gpus: int) -> tuple[int, int]:
        """Return the numerator and denominator of the largest share that one of `gpus` GPUs gets of whole layers.

        Layers are not divided; embeddings and head count as one layer. Without a count of layers, a tenth more than an
        even share is reckoned with.
        """
        if gpus == 1:
            return 1, 1
        if self.layers is None:
            return 11, 10 * gpus
        return ceil((self.layers + 1) / gpus), self.layers + 1

    def scaled(self, numerator: int, denominator: int) -> "Requirements":
        """Return the same with weights of another size: what a quantized version would need."""
        return replace(
            self,
            weight_bytes=ceil(self.weight_bytes * numerator / denominator),
            packaged_bytes=ceil(self.packaged_bytes * numerator / denominator),
            full_width=False,
        )


def requirements(facts: ModelFacts, weights: WeightSet, *, context: int | None, concurrency: int) -> Requirements:
    """Return what a model needs at `context` tokens for each of `concurrency` requests at the same time.

    Raises:
        UsageError: the context is longer than the model attends to, or a number is below 1.
    """
    limit = context_limit(facts)
    if not 1 <= concurrency <= MOST or not 1 <= (1 if context is None else context) <= MOST:
        raise UsageError(
            "Context and concurrency must be at least 1, and at most a billion.", fix="Give whole numbers above 0."
        )
    if context is not None and limit is not None and context > limit:
        raise UsageError(
            f"{facts.reference} attends to {limit:,} tokens at most; a context of {context:,} was asked for.",
            fix=f"Ask for {limit:,} or fewer.",
        )
    cache = cache_of(facts)
    planned = context
    if context is None and (limit is not None or (cache is not None and cache.parts)):
        planned = min(limit or DEFAULT_CONTEXT, DEFAULT_CONTEXT)
    network = facts.network
    return Requirements(
        weight_bytes=weights.weight_bytes,
        packaged_bytes=weights.packaged_bytes,
        cache=cache,
        value_bytes=cache_bytes(facts),
        full_width=network.dtype == "float32",
        context=planned,
        limit=limit,
        concurrency=concurrency,
        layers=layer_count(network.config),
        divides=divisibility(network.config, network.quantization),
        generates=generates(facts),
        picture_bytes=_picture_bytes(facts),
        cpu_limit=_cpu_limit(facts),
    )


def _picture_bytes(facts: ModelFacts) -> int:
    if facts.pipeline is None:
        return 0
    return (facts.pipeline.pixels or PICTURE_SIDE) ** 2 * BYTES_PER_PIXEL


def _cpu_limit(facts: ModelFacts) -> int:
    """Return the weights above which any CPU takes too long: an answer has to come within a minute.

    Speech and pictures take many steps of arithmetic for each answer, a classification or an embedding takes one.
    """
    if facts.kind == "diffusers":
        return 0
    if facts.task in {"automatic-speech-recognition", "text-to-speech", "text-to-audio", "image-text-to-text"}:
        return 10**9
    return 8 * 10**9 if facts.kind == "gguf" else 4 * 10**9


def usable_host(instance: InstanceType) -> int:
    """Return the host memory that the container can use; 0 where it is not known."""
    return max(0, instance.memory_bytes - HOST_RESERVED) if instance.specified else 0


def usable_gpu(engine: EngineRules, instance: InstanceType) -> int:
    """Return the memory of one GPU that the engine can plan with; 0 where there is none."""
    return max(0, int(seen_gpu(instance) * engine.gpu_utilisation) - engine.gpu_runtime) if instance.gpu else 0


def seen_gpu(instance: InstanceType) -> int:
    """Return the memory of one GPU as programs see it; 0 where there is none."""
    if instance.gpu is None:
        return 0
    reported = instance.gpu.memory_bytes // 2**20
    return _SEEN_MIB.get((instance.gpu.name, reported), reported) * 2**20


def volume_for(required: int, instance: InstanceType) -> tuple[int, int | None]:
    """Return the disk space for what is `required`, and the volume to ask for in GB, `None` where none need be.

    An instance with a disk of its own has that one. Others get a volume, as large as the config asks for.
    """
    if instance.storage_bytes:
        return instance.storage_bytes, None
    wanted = required + required // 8  # some head room: an artifact may grow when it is unpacked
    if wanted <= DEFAULT_VOLUME:
        return DEFAULT_VOLUME, None
    gigabytes = min(ceil(wanted / 10**9), LARGEST_VOLUME // 10**9)
    return gigabytes * 10**9, gigabytes
