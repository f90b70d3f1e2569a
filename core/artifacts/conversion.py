"""Pickled weights as safetensors: the same tensors, in a file that holds nothing else, any part of which can be read.

The format is told of in `core.models.safetensors_header`. As in files of the reference implementation wider types come
first, so that all are aligned, and those of one width go by name; the header is filled up with spaces to a multiple of
eight bytes. The same checkpoint gives the same bytes.
"""

import json
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from core.artifacts.pickle_reading import NO_CHECKPOINT_FIX
from core.artifacts.pickled_weights import PickledTensor
from core.artifacts.tensor_bytes import tensor_part
from core.cancellation import CancelToken
from core.errors import RefusedError
from core.quantities import format_bytes

_METADATA: Final = "__metadata__"
_LONGEST_HEADER: Final = 100_000_000
"""In bytes; the reference implementation reads no longer one."""
_MOST_UNFOLDED: Final = 4
"""How many times as large as the checkpoint its tensors may be: a few of them may share bytes, but not all."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The safetensors file that a checkpoint becomes: its head, and the tensors that follow, from `starts` on."""

    head: bytes
    """The header with its length before it."""
    tensors: tuple[PickledTensor, ...]
    starts: tuple[int, ...]

    @property
    def tensor_bytes(self) -> int:
        """The size of all tensors."""
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def file_bytes(self) -> int:
        """The size of the file."""
        return len(self.head) + self.tensor_bytes

    def read_part(self, file: int, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield `length` bytes of the safetensors file from `start` on, in pieces; it has so many.

        `file` is the descriptor of the checkpoint, which the tensors were read of as a whole. Safe in several threads.

        Raises:
            SagewizardError: the checkpoint is shorter than it was.
            OSError: it cannot be read.
            CancelledByUser: stopping was asked for.
        """
        at, end = start, start + length
        if at < len(self.head) and length:
            yield (piece := self.head[at:end])
            at += len(piece)
        number = bisect_right(self.starts, at) - 1
        while at < end:
            tensor, begin = self.tensors[number], at - self.starts[number]
            taken = min(tensor.bytes - begin, end - at)
            yield from tensor_part(file, tensor, begin, taken, cancel)
            at += taken
            number += 1


def lay_out(tensors: Sequence[PickledTensor], checkpoint_bytes: int, *, copies: bool, label: str) -> Conversion:
    """Return what the checkpoint of `checkpoint_bytes` with these `tensors` becomes.

    Of tensors that are the very same elements (tied weights) the one whose name comes first is kept, and the others are
    told of in the file's metadata, as `safetensors.torch.save_model` does: transformers ties them again when it loads.
    With `copies` each is written. `label` is the checkpoint's name in errors.

    Raises:
        RefusedError: safetensors cannot hold them, or they are far larger than the checkpoint.
    """
    kept, tied = _without_ties(tensors, copies=copies)
    kept.sort(key=lambda tensor: (-tensor.item_bytes, tensor.name))
    header, total = _header(kept, tied, label)
    if total > _MOST_UNFOLDED * checkpoint_bytes:
        raise RefusedError(
            f"{label} has {format_bytes(checkpoint_bytes)}, but its tensors would have {format_bytes(total)}: they "
            "show the same bytes again and again.",
            fix=NO_CHECKPOINT_FIX,
        )
    head = struct.pack("<Q", len(header)) + header
    starts = accumulate((tensor.bytes for tensor in kept[:-1]), initial=len(head))
    return Conversion(head, tuple(kept), tuple(starts))


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
