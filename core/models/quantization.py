"""Quantized checkpoints: in how many bits the weights are, and what that asks of whoever divides them.

The fields are those of `quantization_config` in a `config.json`, as transformers' quantizers write it (GPTQ, AWQ,
bitsandbytes, FP8, MXFP4, compressed-tensors), and NVIDIA's Model Optimizer (`quant_algo`). MLX (mlx_lm's `convert`)
writes `quantization`, and of late the same as `quantization_config`, which then names no method.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.external_text import clean_line

MLX: Final = "mlx"
"""The method of weights packed for Apple's MLX; also the Hub's word for the library."""
_BITS: Final[Mapping[str, int]] = {"fp8": 8, "fbgemm_fp8": 8, "mxfp4": 4, "bitnet": 2}
_ALGORITHM: Final = re.compile(r"(?:nv|mx)?(?:fp|int|w)(?P<bits>[1-8])(?!\d)", re.ASCII | re.IGNORECASE)
"""The beginning of what Model Optimizer calls its algorithms: `NVFP4`, `FP8_PB_WO`, `W4A16_AWQ`."""
_LARGEST_GROUP: Final = 2**20


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights of a checkpoint are quantized.

    `bits` is the size of one weight, `None` where the config does not say. `group_size` is how many weights share a
    scale along the width that tensor parallelism divides; each GPU's part must be a multiple of it. `None`: any width.
    """

    method: str
    bits: int | None = None
    group_size: int | None = None

    @property
    def label(self) -> str:
        """In words: `4-bit gptq`, `fp8`."""
        return self.method if self.bits is None or str(self.bits) in self.method else f"{self.bits}-bit {self.method}"


def quantization_of(config: Mapping[str, Any], library: str | None = None) -> Quantization | None:
    """Return how the checkpoint behind a `config.json` is quantized, `None` when it is not.

    `library` is the Hub's word for what loads it. What is there for MLX has its layout even where nothing is quantized,
    and whatever method of the checkpoint it was made from its config still names.
    """
    found = _stated(config)
    if library == MLX:
        return Quantization(MLX, found.bits if found else None, found.group_size if found else None)
    return found


def _stated(config: Mapping[str, Any]) -> Quantization | None:
    stated, own = config.get("quantization_config"), config.get("quantization")
    mlx = _mlx(own) if isinstance(own, dict) else None
    if not isinstance(stated, dict) or not stated:
        return mlx
    method = clean_line(str(stated.get("quant_method") or ""))[:40].lower() or "unknown"
    if method == "unknown" and (stated.get("load_in_4bit") is True or stated.get("load_in_8bit") is True):
        method = "bitsandbytes"
    if method == "bitsandbytes":
        return Quantization(method, 4 if stated.get("load_in_4bit") is True else 8)
    if method == "compressed-tensors":
        bits, group = _compressed(stated)
        return Quantization(method, bits, group)
    if method in {"fp8", "fbgemm_fp8"}:
        block = stated.get("weight_block_size")
        sizes = [_small(size) for size in block] if isinstance(block, list) else []
        return Quantization(method, 8, max((size for size in sizes if size), default=None))
    if method == "unknown" and (found := mlx or _mlx(stated)) is not None:
        return found
    named = _ALGORITHM.match(str(stated.get("quant_algo") or ""))
    bits = _small(stated.get("bits")) or _small(stated.get("w_bit")) or _BITS.get(method)
    bits = bits or (int(named["bits"]) if named else None)
    group = _small(stated.get("group_size")) or _small(stated.get("q_group_size"))
    return Quantization(method, bits, 32 if method == "mxfp4" else group)


def _mlx(stated: Mapping[str, Any]) -> Quantization | None:
    """Return what MLX says of its packing, `None` where it does not give the bits."""
    bits = _small(stated.get("bits"))
    return Quantization(MLX, bits, _small(stated.get("group_size"))) if bits else None


def _compressed(stated: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return bits and group size of the first group that quantizes weights."""
    groups = stated.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict):
            return _small(weights.get("num_bits")), _small(weights.get("group_size"))
    return None, None


def _small(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_GROUP else None
