"""What a model needs of a machine when the Hugging Face inference container serves it. All sizes are bytes.

The container runs one process that holds the model once (its server's workers are set to one). Where it runs:

- on a CPU, the process needs the weights twice while it loads (measured on gpt-neo-125m: 501 MB of weights, 1.2 GB at
  the peak), the key/value cache, the libraries (0.35 GiB measured) and the model server beside it (Java, 0.5 GiB);
- on a GPU, each GPU needs its share of weights and cache, and room for what is calculated in between; the host needs
  the weights once while they load, and the larger CUDA libraries;
- over several GPUs, accelerate's `device_map="auto"` gives each GPU whole layers, so the shares are not quite even;
- on the disk, the archive and what is unpacked from it lie side by side.

Figures without a source are estimates, on the safe side.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from core.errors import UsageError
from core.instances.catalog import InstanceType
from core.models.facts import ModelFacts, WeightSet
from core.models.memory import kv_bytes_per_token, layer_count, max_context

_GIB: Final = 2**30
DEFAULT_CONTEXT: Final = 4096
"""Tokens that are planned for when nobody says; a model that attends to fewer is planned at its own limit."""
CPU_LOADING_FACTOR: Final = 2
CPU_OVERHEAD: Final = _GIB
"""Libraries and model server, rounded up from the 0.85 GiB above."""
GPU_HOST_OVERHEAD: Final = 3 * _GIB
"""torch with CUDA keeps about 2.5 GiB of host memory; and the model server."""
HOST_RESERVED: Final = _GIB // 2
"""What the host's own system and SageMaker's agents keep."""
GPU_USABLE_SHARE: Final = 0.92
"""The share of a GPU's reported memory that is planned with; fragmentation eats some."""
GPU_RESERVED: Final = _GIB // 2
"""The CUDA context and the kernels of one process."""
GPU_WORKSPACE: Final = _GIB
"""What is calculated in between, on each GPU: activations and logits of one request."""
DEFAULT_VOLUME: Final = 30 * 10**9
"""The disk of an instance without one of its own (AWS: models above 30 GB need a larger `VolumeSizeInGB`)."""
DISK_SPARE: Final = 10**9
"""Room for logs, and for packages that `requirements.txt` brings."""
MOST_ON_CPU: Final = 4 * 10**9
"""Weights above this are not recommended a CPU: each token reads all of them, and an answer has to come in a minute."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What one model needs at a number of tokens in the cache; `kv_bytes` is 0 where the cache's size is not known.

    `context` is what was planned for, `None` where neither the person nor the model says; `limit` is the model's own.
    """

    weight_bytes: int
    packaged_bytes: int
    kv_bytes_per_token: int | None
    context: int | None
    limit: int | None
    concurrency: int
    layers: int | None

    @property
    def kv_bytes(self) -> int:
        """The cache of all sequences at the planned context."""
        return (self.kv_bytes_per_token or 0) * (self.context or 0) * self.concurrency

    @property
    def disk_bytes(self) -> int:
        """Archive and unpacked files."""
        return 2 * self.packaged_bytes + DISK_SPARE

    @property
    def cpu_fixed_bytes(self) -> int:
        """Host memory on a CPU instance, but for the cache."""
        return CPU_LOADING_FACTOR * self.weight_bytes + CPU_OVERHEAD

    @property
    def gpu_host_bytes(self) -> int:
        """Host memory on a GPU instance."""
        return self.weight_bytes + GPU_HOST_OVERHEAD

    def share(self, gpus: int) -> tuple[int, int]:
        """Return the numerator and denominator of the largest share that one of `gpus` GPUs gets.

        Layers are not divided; embeddings and head count as one layer. Without a count of layers, a tenth more than an
        even share is reckoned with.
        """
        if gpus == 1:
            return 1, 1
        if self.layers is None:
            return 11, 10 * gpus
        return ceil((self.layers + 1) / gpus), self.layers + 1

    def gpu_bytes(self, gpus: int, kv_bytes: int | None = None) -> int:
        """Return the memory that the fullest of `gpus` GPUs needs, with the planned cache or one of `kv_bytes`."""
        part, whole = self.share(gpus)
        held = self.weight_bytes + (self.kv_bytes if kv_bytes is None else kv_bytes)
        return ceil(held * part / whole) + GPU_WORKSPACE


def requirements(facts: ModelFacts, weights: WeightSet, *, context: int | None, concurrency: int) -> Requirements:
    """Return what a model needs at `context` tokens for each of `concurrency` requests at the same time.

    Raises:
        UsageError: the context is longer than the model attends to, or a number is below 1.
    """
    limit = max_context(facts.config)
    if concurrency < 1 or (context is not None and context < 1):
        raise UsageError("Context and concurrency must be at least 1.", fix="Give whole numbers above 0.")
    if context is not None and limit is not None and context > limit:
        raise UsageError(
            f"{facts.reference} attends to {limit:,} tokens at most; a context of {context:,} was asked for.",
            fix=f"Ask for {limit:,} or fewer.",
        )
    planned = context if context is not None else min(limit, DEFAULT_CONTEXT) if limit is not None else None
    return Requirements(
        weight_bytes=weights.weight_bytes,
        packaged_bytes=weights.packaged_bytes,
        kv_bytes_per_token=kv_bytes_per_token(facts.config, facts.dtype),
        context=planned,
        limit=limit,
        concurrency=concurrency,
        layers=layer_count(facts.config),
    )


def usable_host(instance: InstanceType) -> int:
    """Return the host memory that the container can use."""
    return max(0, instance.memory_bytes - HOST_RESERVED)


def usable_gpu(instance: InstanceType) -> int:
    """Return the memory of one GPU that can be planned with; 0 where there is none."""
    return max(0, int(instance.gpu.memory_bytes * GPU_USABLE_SHARE) - GPU_RESERVED) if instance.gpu else 0


def usable_disk(instance: InstanceType) -> int:
    """Return the disk space for artifacts: the instance's own storage, else the volume that SageMaker attaches."""
    return instance.storage_bytes or DEFAULT_VOLUME
