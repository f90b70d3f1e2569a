"""What each serving engine asks of a machine: where it runs, how it divides a model, what it takes for itself.

Data for the arithmetic of the fit. Sizes are bytes; where nothing else is said they are estimates on the safe side.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal

from core.errors import UsageError
from core.external_text import clean_line
from core.instances.catalog import Accelerator

_GIB: Final = 2**30
Sharing = Literal["tensor", "layers"]
"""How several GPUs hold one model: each a part of every layer, or each whole layers (a pipeline)."""
Capability = tuple[int, int]
"""NVIDIA's compute capability, the generation of a GPU: (7, 5) for a T4."""


@dataclass(frozen=True, slots=True)
class EngineRules:
    """One engine's rules.

    On a GPU it may use `gpu_utilisation` of the reported memory less `gpu_runtime` (the CUDA context and communication
    buffers of a process), and needs `gpu_workspace` for what is calculated in between. On the host it needs the weights
    while they load, `host_fixed`, and `host_each` for every GPU's process; without a GPU the weights `cpu_loading`
    times, and `cpu_fixed`. `image` is what its container image takes on the disk, by accelerator. `archive`: it
    takes an archive, unless that would be very large; other engines load from the tree as it is. `halves`: weights of
    32 bits are loaded in 16. `computes_at_once` are the tokens that a sliding window is exceeded by while they are
    calculated. `quantized` are the methods it has kernels for, each with the oldest GPU generation they run on.
    """

    name: str
    title: str
    accelerators: tuple[Accelerator, ...]
    architectures: tuple[str, ...]
    sharing: Sharing
    gpu_utilisation: float
    gpu_runtime: int
    gpu_workspace: int
    host_fixed: int
    host_each: int
    cpu_loading: int
    cpu_fixed: int
    image: Mapping[Accelerator, int]
    archive: bool
    halves: bool
    computes_at_once: int
    quantized: Mapping[str, Capability]
    oldest_gpu: Capability
    newest_gpu: Capability | None = None

    def packs(self, packaged_bytes: int) -> bool:
        """Return whether the artifact of a model is an archive, which lies beside what is unpacked from it."""
        return self.archive and packaged_bytes <= LARGEST_ARCHIVE


LARGEST_ARCHIVE: Final = 5 * 10**9
"""In bytes: a larger model goes to S3 as the tree it is. Its archive would hardly be smaller, and each instance that
starts would have to unpack it, one file after the other, beside itself on the disk."""

_OLD: Final = (7, 5)
_AMPERE: Final = (8, 0)

_HUGGINGFACE: Final = EngineRules(
    name="huggingface",
    title="the Hugging Face inference container",
    accelerators=("cpu", "gpu"),
    architectures=("x86_64",),
    # accelerate's device_map="auto" gives each GPU whole layers.
    sharing="layers",
    gpu_utilisation=0.92,
    gpu_runtime=_GIB // 2,
    gpu_workspace=_GIB,
    # torch with CUDA keeps about 2.5 GiB of host memory; and the model server (Java, 0.5 GiB).
    host_fixed=3 * _GIB,
    host_each=0,
    # Measured on gpt-neo-125m: 501 MB of weights, 1.2 GB at the peak of loading, 0.35 GiB of libraries.
    cpu_loading=2,
    cpu_fixed=_GIB,
    image=MappingProxyType({"cpu": 5 * 10**9, "gpu": 16 * 10**9}),
    archive=True,
    halves=False,
    computes_at_once=0,
    # The image brings none of the libraries that quantized weights need.
    quantized=MappingProxyType({}),
    oldest_gpu=(7, 0),
    newest_gpu=(9, 0),  # its newest image has CUDA 12.4, which knows no Blackwell
)
_VLLM: Final = EngineRules(
    name="vllm",
    title="vLLM",
    accelerators=("gpu",),
    architectures=("x86_64",),
    sharing="tensor",
    # vLLM's default has changed between releases (0.90, 0.92): it is to be set to this.
    gpu_utilisation=0.90,
    gpu_runtime=_GIB // 2,
    # Activations of 2,048 tokens at once, CUDA graphs and the sampler. Logs show 0.4 to 2 GiB for such a batch, and 5
    # to 7 for one of 16,384, which is what vLLM takes on a large GPU unless told otherwise.
    gpu_workspace=2 * _GIB,
    host_fixed=2 * _GIB,
    host_each=3 * _GIB // 2,
    cpu_loading=1,
    cpu_fixed=0,
    image=MappingProxyType({"gpu": 20 * 10**9}),
    archive=False,
    halves=True,  # `--dtype auto`: float32 checkpoints run in float16
    computes_at_once=2048,  # to be set too: `max_num_batched_tokens`
    quantized=MappingProxyType(
        {
            "awq": _OLD,
            "gptq": _OLD,
            "bitsandbytes": _OLD,
            "compressed-tensors": _OLD,
            "fp8": _AMPERE,
            "fbgemm_fp8": _AMPERE,
            "mxfp4": _AMPERE,
        }
    ),
    oldest_gpu=_OLD,
)
_LLAMACPP: Final = EngineRules(
    name="llamacpp",
    title="llama.cpp",
    accelerators=("cpu", "gpu"),
    architectures=("x86_64", "arm64"),
    sharing="layers",
    gpu_utilisation=0.95,
    gpu_runtime=_GIB // 2,
    gpu_workspace=_GIB // 2,
    host_fixed=_GIB,
    host_each=0,
    cpu_loading=1,  # the file is mapped into memory, not copied
    cpu_fixed=_GIB,
    image=MappingProxyType({"cpu": 2 * 10**9, "gpu": 6 * 10**9}),
    archive=False,
    halves=False,
    computes_at_once=512,
    quantized=MappingProxyType({"gguf": (7, 0)}),
    oldest_gpu=(7, 0),
)
ENGINE_RULES: Final[Mapping[str, EngineRules]] = MappingProxyType(
    {rules.name: rules for rules in (_VLLM, _HUGGINGFACE, _LLAMACPP)}
)
"""The engines that a fit can be reckoned for, by name, the preferred one first."""


def find_engine(name: str) -> EngineRules:
    """Return the rules of the engine called `name`.

    Raises:
        UsageError: no fit can be reckoned for it.
    """
    if name not in ENGINE_RULES:
        raise UsageError(
            f"“{clean_line(name)[:60]}” is not an engine that a fit can be reckoned for.",
            fix=f"Engines are {', '.join(ENGINE_RULES)}.",
        )
    return ENGINE_RULES[name]


@cache
def vllm_architectures() -> frozenset[str]:
    """Return the classes of models (`LlamaForCausalLM`) that vLLM has an implementation of its own for."""
    data = json.loads(files("core.instances").joinpath("data/vllm_architectures.json").read_text(encoding="utf-8"))
    return frozenset(data["text"]) | frozenset(data["text_and_more"])
