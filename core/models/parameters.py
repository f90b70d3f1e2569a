"""How many parameters a model has: counted in its checkpoint, else reckoned from its config, else from its size."""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from core.models.figures import Confidence
from core.models.parameter_count import parameters_from_config
from core.models.quantization import Quantization
from core.models.safetensors_header import StoredParameters

_BYTES: Final[Mapping[str, float]] = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_PACKED: Final[Mapping[str, int]] = {"I32": 32, "U32": 32, "U8": 8, "I8": 8, "I64": 64}
_TABLES: Final = 0.001
"""The share of a checkpoint that tables saved with it (of positions, of rotations) may make up."""
_COUNTERS: Final = 0.01
"""The share of a quantized checkpoint's elements that whole numbers may make up and yet be no packed weights."""
_MASKS: Final = 0.25
"""The same of one that is not said to be quantized: attention masks are 17 % of gpt-neo-125m's elements."""


def count_parameters(
    stored: StoredParameters | None,
    config: Mapping[str, Any],
    quantization: Quantization | None,
    *,
    weight_bytes: int,
    dtype: str | None,
) -> tuple[int | None, Confidence]:
    """Return the number of parameters, and how sure it is.

    Of a checkpoint without packed weights they are its elements of floating point types (FP8 among them): the others
    are masks and counters (gpt-neox-20b: 184 million of them). Where what the config makes is a trace less, the rest
    are tables that were saved with it, and the config counts. Quantized weights are packed one or several to a whole
    number, with scales and zero points beside them, so that their config tells more. `weight_bytes` are those of the
    checkpoint on disk.
    """
    reckoned = parameters_from_config(config)
    floating = stored.floating if stored else 0
    if stored and floating:
        if reckoned is not None and 0 <= floating - reckoned <= floating * _TABLES:
            return reckoned, "exact"
        whole_numbers = sum(count for name, count in stored.by_dtype.items() if name in _PACKED)
        if whole_numbers <= stored.total * (_MASKS if quantization is None else _COUNTERS):
            return floating, "exact"
    if reckoned is not None:
        return reckoned, "estimated"
    if floating and quantization is None:
        return floating, "estimated"
    packed = sum(count * _PACKED[name] for name, count in stored.by_dtype.items() if name in _PACKED) if stored else 0
    if packed and quantization is not None and quantization.bits:
        return floating + packed // quantization.bits, "estimated"
    each = _BYTES.get(dtype or "")
    if quantization is not None and quantization.bits:
        each = quantization.bits / 8
    return (ceil(weight_bytes / each), "estimated") if each and weight_bytes else (None, "estimated")
