"""Pickled weights written anew as safetensors: the same tensors, in a file that holds nothing else.

The format is told of in `core.models.safetensors_header`. The order is that of the reference implementation: wider
types first, so that all are aligned, then by name; the header is filled up with spaces to a multiple of eight bytes.
The same checkpoint gives the same bytes.
"""

import json
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.artifacts.pickle_reading import NO_CHECKPOINT_FIX
from core.artifacts.pickled_weights import PickledTensor, read_pickled_weights
from core.artifacts.staging import staged
from core.artifacts.tensor_bytes import tensor_bytes
from core.cancellation import CancelToken
from core.errors import RefusedError
from core.quantities import format_bytes

_METADATA: Final = "__metadata__"
_LONGEST_HEADER: Final = 100_000_000
"""In bytes; the reference implementation reads no longer one."""
_MOST_UNFOLDED: Final = 4
"""How many times as large as the checkpoint its tensors may be: a few of them may share bytes, but not all."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A safetensors file that was written: its size, the names of its tensors, and their size without the header."""

    path: Path
    bytes: int
    names: tuple[str, ...]
    tensor_bytes: int


def convert(
    source: Path,
    target: Path,
    *,
    cancel: CancelToken,
    progress: Callable[[int], None] = lambda _: None,
    copies: bool = False,
    label: str | None = None,
) -> Converted:
    """Write the checkpoint `source` as the safetensors file `target`; memory stays within some pieces of 4 MiB.

    Of tensors that are the very same elements (tied weights) the one whose name comes first is kept, and the others are
    told of in the file's metadata, as `safetensors.torch.save_model` does: transformers ties them again when it loads.
    With `copies` each is written. `progress` receives each number of bytes written; `label` is the checkpoint's name in
    errors.

    Raises:
        RefusedError: it asks to run something, is damaged, cannot be held by safetensors, or the disk has no room.
        SagewizardError: it cannot be read, or `target` not be written.
        CancelledByUser: stopping was asked for.
    """
    shown = label or source.name
    tensors, tied = _without_ties(read_pickled_weights(source, cancel=cancel, label=shown), copies=copies)
    tensors.sort(key=lambda tensor: (-tensor.item_bytes, tensor.name))
    header, total = _header(tensors, tied, shown)
    _refuse_too_much(total, source, target, shown)
    with staged(target) as temporary, temporary.open("xb") as file, source.open("rb") as checkpoint:
        file.write(struct.pack("<Q", len(header)) + header)
        for tensor in tensors:
            cancel.check()
            for piece in tensor_bytes(checkpoint, tensor, cancel):
                file.write(piece)
                progress(len(piece))
    return Converted(target, 8 + len(header) + total, tuple(sorted(tensor.name for tensor in tensors)), total)


def _without_ties(tensors: Sequence[PickledTensor], *, copies: bool) -> tuple[list[PickledTensor], dict[str, str]]:
    """Return the tensors to be written, and the names left out with the name of what they are the same as."""
    if copies:
        return list(tensors), {}
    kept: dict[Any, PickledTensor] = {}
    tied = {}
    for tensor in tensors:  # which are in the order of their names
        what = (tensor.storage, tensor.dtype, tensor.offset, tensor.shape, tensor.stride) if tensor.bytes else tensor
        first = kept.setdefault(what, tensor)
        if first is not tensor:
            tied[tensor.name] = first.name
    return list(kept.values()), tied


def _header(tensors: Sequence[PickledTensor], tied: dict[str, str], label: str) -> tuple[bytes, int]:
    """Return the header's bytes and the size of all tensors."""
    fields: dict[str, Any] = {_METADATA: {**tied, "format": "pt"}}
    end = 0
    for tensor in tensors:
        if tensor.name == _METADATA:
            raise RefusedError(f"{label} has a tensor called {_METADATA}.", fix=NO_CHECKPOINT_FIX)
        begin, end = end, end + tensor.bytes
        fields[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, end]}
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _LONGEST_HEADER:
        raise RefusedError(f"{label} has more tensors than safetensors can tell of.", fix=NO_CHECKPOINT_FIX)
    return text, end


def _refuse_too_much(total: int, source: Path, target: Path, label: str) -> None:
    size = source.stat().st_size
    if total > _MOST_UNFOLDED * size:
        raise RefusedError(
            f"{label} has {format_bytes(size)}, but its tensors would have {format_bytes(total)}: they show the same "
            "bytes again and again.",
            fix=NO_CHECKPOINT_FIX,
        )
    free = shutil.disk_usage(target.parent).free
    if total > free:
        raise RefusedError(
            f"Converting {label} needs {format_bytes(total)} of disk space, and {format_bytes(free)} is free.",
            fix="Make room, or point SAGEWIZARD_HOME at a larger disk.",
        )
