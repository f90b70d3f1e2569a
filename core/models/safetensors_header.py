"""Reads what a safetensors file holds from its header alone.

The format (https://huggingface.co/docs/safetensors): eight bytes with the header's length N, little-endian; N bytes of
JSON that map each tensor's name to `dtype`, `shape` and `data_offsets`; then the data. The reference implementation
refuses headers above 100 MB, and so does this.
"""

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.errors import RefusedError, SagewizardError
from core.external_text import clean_line
from core.quantities import format_bytes

_LONGEST_HEADER: Final = 100_000_000
LARGEST_COUNT: Final = 2**63 - 1
"""More bytes or elements than this no file has, whatever is said of it."""
_TORCH_NAMES: Final[Mapping[str, str]] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F4": "float4_e2m1fn_x2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
_BITS: Final[Mapping[str, int]] = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "C64": 64}
"""The size of an element, of types whose names do not begin with letters and it."""
_NAMED_BITS: Final = re.compile(r"(?:F|BF|I|U)(\d{1,2})(?:_\w+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredParameters:
    """How many elements the tensors of a checkpoint have, by safetensors' names of their data types."""

    by_dtype: Mapping[str, int]

    @property
    def total(self) -> int:
        """All elements."""
        return sum(self.by_dtype.values())

    @property
    def floating(self) -> int:
        """The elements of floating point types: parameters, but not the masks and counters saved beside them."""
        return sum(count for name, count in self.by_dtype.items() if name.startswith(("F", "BF")))

    @property
    def bytes(self) -> int:
        """What all elements take; those of unknown types count nothing."""
        return sum(count * _bits(name) for name, count in self.by_dtype.items()) // 8

    @property
    def dtype(self) -> str | None:
        """PyTorch's name of the type that most elements have."""
        if not self.by_dtype:
            return None
        most = max(self.by_dtype, key=lambda name: self.by_dtype[name])
        return _TORCH_NAMES.get(most, most.lower())


def _bits(name: str) -> int:
    found = _NAMED_BITS.fullmatch(name)
    return _BITS.get(name) or (int(found[1]) if found else 0)


def parameters_from_counts(counts: object) -> StoredParameters | None:
    """Return what the Hub says of a checkpoint (`{"F32": 125198592}`), `None` when that is no such thing."""
    if not isinstance(counts, dict) or not counts:
        return None
    for name, count in counts.items():
        if not isinstance(name, str) or type(count) is not int or not 0 <= count <= LARGEST_COUNT:
            return None
    return StoredParameters({clean_line(name)[:20]: count for name, count in counts.items()})


def read_parameters(paths: list[Path], root: Path | None = None) -> StoredParameters:
    """Return what the safetensors files `paths` hold together; errors name them by their paths below `root`.

    Raises:
        RefusedError: a file is cut short.
        SagewizardError: a file is not safetensors, or cannot be read.
    """
    total: Counter[str] = Counter()
    for path in paths:
        total.update(_read_one(path, path.relative_to(root).as_posix() if root else path.name))
    return StoredParameters(dict(total))


def _read_one(path: Path, name: str) -> Counter[str]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(_LONGEST_HEADER, max(size - 8, 0)):
                raise _malformed(name)
            header = json.loads(file.read(length))
        counts, data = _counted(header)
    except OSError as error:
        raise SagewizardError(f"{path} cannot be read: {error.strerror}.", fix="Check its permissions.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _malformed(name) from error
    if size != 8 + length + data:
        raise RefusedError(
            f"{name} has {format_bytes(size)}, but its header tells of {format_bytes(8 + length + data)}.",
            fix="The file was cut short or changed: copy or download it again.",
        )
    return counts


def _counted(header: Mapping[str, Any]) -> tuple[Counter[str], int]:
    """Return the elements by data type, and the bytes of all data."""
    counts: Counter[str] = Counter()
    data = 0
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        shape, (begin, end) = tensor["shape"], tensor["data_offsets"]
        if not all(type(value) is int and value >= 0 for value in (*shape, begin, end)) or end < begin:
            raise ValueError(name)
        elements = math.prod(shape)
        if elements > LARGEST_COUNT:
            raise ValueError(name)
        counts[clean_line(str(tensor["dtype"]))[:20]] += elements
        data = max(data, end)
    return counts, data


def _malformed(name: str) -> SagewizardError:
    return SagewizardError(
        f"{name} is not a safetensors file.",
        fix="It may be a pointer file: fetch the real one with `git lfs pull`, or download it again.",
    )
