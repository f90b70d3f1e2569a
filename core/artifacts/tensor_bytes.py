"""The elements of a pickled tensor in the order that safetensors wants: row by row, without gaps."""

import mmap
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal

from core.artifacts.pickled_weights import PickledTensor
from core.cancellation import CancelToken
from core.errors import SagewizardError

PIECE_BYTES: Final = 4 * 2**20
"""No more of a tensor than this is held in memory."""
_LETTERS: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
_ROWS_BETWEEN_CHECKS: Final = 2**16

_Dimension = tuple[int, int]
"""How many elements, and how far apart they are."""


def tensor_bytes(file: BinaryIO, tensor: PickledTensor, cancel: CancelToken) -> Iterator[bytes]:
    """Yield the tensor's elements in pieces of 4 MiB at most, from the file that it was read of.

    Raises:
        SagewizardError: the file is shorter than it was.
        OSError: it cannot be read.
        CancelledByUser: stopping was asked for.
    """
    if tensor.bytes == 0:
        return
    dimensions = _joined(tensor)
    if not dimensions or (len(dimensions) == 1 and dimensions[0][1] == 1):
        yield from _straight(file, tensor, cancel)
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as whole:
        start = tensor.storage.start
        end = start + tensor.storage.bytes // tensor.item_bytes * tensor.item_bytes
        with whole[start:end] as stored, stored.cast(_LETTERS[tensor.item_bytes]) as elements:
            yield from _gathered(elements, tensor, dimensions, cancel)


def _joined(tensor: PickledTensor) -> list[_Dimension]:
    """Return the dimensions, those made one whose elements follow each other in even steps."""
    found: list[_Dimension] = []
    for count, step in zip(tensor.shape, tensor.stride, strict=True):
        if count == 1:
            continue
        if found and found[-1][1] == count * step:
            found[-1] = (found[-1][0] * count, step)
        else:
            found.append((count, step))
    return found


def _straight(file: BinaryIO, tensor: PickledTensor, cancel: CancelToken) -> Iterator[bytes]:
    file.seek(tensor.storage.start + tensor.offset * tensor.item_bytes)
    left = tensor.bytes
    while left:
        cancel.check()
        piece = file.read(min(left, PIECE_BYTES))
        if not piece:
            raise SagewizardError(f"{file.name} became shorter while it was read.", fix="Try again.")
        left -= len(piece)
        yield piece


def _gathered(
    elements: memoryview, tensor: PickledTensor, dimensions: list[_Dimension], cancel: CancelToken
) -> Iterator[bytes]:
    *outer, (count, step) = dimensions
    most = PIECE_BYTES // tensor.item_bytes
    held = bytearray()
    for number, row in enumerate(_starts(outer, tensor.offset)):
        if number % _ROWS_BETWEEN_CHECKS == 0:
            cancel.check()
        for begun in range(0, count, most):
            taken = min(most, count - begun)
            if len(held) + taken * tensor.item_bytes > PIECE_BYTES:
                cancel.check()
                yield bytes(held)
                held.clear()
            first = row + begun * step
            if step:
                held += elements[first : first + (taken - 1) * step + 1 : step].tobytes()
            else:
                held += elements[first : first + 1].tobytes() * taken
    yield bytes(held)


def _starts(dimensions: list[_Dimension], offset: int) -> Iterator[int]:
    """Yield where each row begins, in order."""
    if not dimensions:
        yield offset
        return
    (count, step), *inner = dimensions
    for number in range(count):
        yield from _starts(inner, offset + number * step)
