"""Writes GGUF files for tests, from https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and by hand."""

import struct
from collections.abc import Mapping, Sequence

_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "Q4_K": 12, "Q6_K": 14, "BF16": 30}
_ALIGNMENT = 32


def gguf_bytes(
    values: Mapping[str, object],
    tensors: Sequence[tuple[str, Sequence[int], str | int]] = (),
    version: int = 3,
    data: bytes = b"",
    order: str = "<",
) -> bytes:
    """Return a GGUF file: its header with `values` and the `tensors` (name, shape, type), and `data` behind it.

    Whole numbers are written as unsigned 32 bits where they fit, else as 64 bits, `float` as 32 bits; sequences as
    arrays of what their first entry is; `bytes` as they are: a type and a value already encoded. `order` is `<` or `>`.
    """
    parts = [b"GGUF", struct.pack(f"{order}IQQ", version, len(tensors), len(values))]
    for key, value in values.items():
        parts += [_string(key, order), value if isinstance(value, bytes) else _typed(value, order)]
    for name, shape, kind in tensors:
        parts.append(_string(name, order))
        parts.append(struct.pack(f"{order}I{len(shape)}Q", len(shape), *shape))
        parts.append(struct.pack(f"{order}IQ", kind if isinstance(kind, int) else _TYPES[kind], 0))
    head = b"".join(parts)
    return head + (b"\0" * (-len(head) % _ALIGNMENT) + data if data else b"")


def _string(text: str, order: str) -> bytes:
    encoded = text.encode()
    return struct.pack(f"{order}Q", len(encoded)) + encoded


def _typed(value: object, order: str) -> bytes:
    kind, encoded = _encoded(value, order)
    return struct.pack(f"{order}I", kind) + encoded


def _encoded(value: object, order: str) -> tuple[int, bytes]:
    match value:
        case bool():
            return 7, struct.pack("?", value)
        case int() if 0 <= value < 2**32:
            return 4, struct.pack(f"{order}I", value)
        case int() if value < 0:
            return 11, struct.pack(f"{order}q", value)
        case int():
            return 10, struct.pack(f"{order}Q", value)
        case float():
            return 6, struct.pack(f"{order}f", value)
        case str():
            return 8, _string(value, order)
        case list() | tuple():
            entries = [_encoded(entry, order) for entry in value]
            kind = entries[0][0] if entries else 4
            assert all(each == kind for each, _ in entries), f"not of one kind: {value}"
            return 9, struct.pack(f"{order}IQ", kind, len(entries)) + b"".join(encoded for _, encoded in entries)
    raise TypeError(f"GGUF has no place for {value!r}")
