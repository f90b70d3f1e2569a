"""The elements of a pickled tensor in the order that safetensors wants, row by row without gaps: any stretch of them.

The file is read by `os.pread`, at the places where the elements lie. It is not mapped into memory: a file that somebody
cuts short meanwhile would end the program.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from core.artifacts.pickled_weights import PickledTensor
from core.cancellation import CancelToken
from core.errors import SagewizardError

PIECE_BYTES: Final = 4 * 2**20
"""No more of a tensor than this is given out at once."""
_WINDOW_BYTES: Final = 4 * 2**20
"""No more of a file than this is read at once."""
_PAGE_BYTES: Final = 2**16
"""So much is read in hardly more time than less."""
_SPARSEST: Final = 64
"""Larger windows are read whole where at least one byte of so many is wanted."""
_LETTERS: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {1: "B", 2: "H", 4: "I", 8: "Q"}

_Dimension = tuple[int, int]
"""How many elements, and how far apart they are."""


@dataclass(frozen=True, slots=True)
class _Box:
    """Elements of a tensor that lie evenly, both where they are read and where they go.

    `source` and `target` are where the first one is, in elements; each of the dimensions is how many there are, how far
    apart they are read and how far apart they go.
    """

    source: int
    target: int
    dimensions: tuple[tuple[int, int, int], ...]

    @property
    def distinct(self) -> int:
        """How many elements are read."""
        return math.prod(count for count, step, _ in self.dimensions if step)

    @property
    def span(self) -> int:
        """How many elements lie from the first one to the last one where they are read."""
        return 1 + sum((count - 1) * step for count, step, _ in self.dimensions)

    def halves(self) -> Iterator["_Box"]:
        """Yield this box in two, parted where the most lies between."""
        widest = max(range(len(self.dimensions)), key=lambda each: self.dimensions[each][1])
        count, step, gap = self.dimensions[widest]
        for begin, end in ((0, count // 2), (count // 2, count)):
            kept = ((end - begin, step, gap),) if end - begin > 1 else ()
            yield _Box(
                self.source + begin * step,
                self.target + begin * gap,
                self.dimensions[:widest] + kept + self.dimensions[widest + 1 :],
            )


def tensor_part(file: int, tensor: PickledTensor, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
    """Yield the `length` bytes from `start` on of a tensor's elements, in pieces of 4 MiB at most.

    `file` is the descriptor of the checkpoint that `tensor` was read of. Safe in several threads at once.

    Raises:
        SagewizardError: the file is shorter than it was.
        OSError: it cannot be read.
        CancelledByUser: stopping was asked for.
    """
    if not length:
        return
    dimensions = _joined(tensor)
    if not dimensions or (len(dimensions) == 1 and dimensions[0][1] == 1):
        first = tensor.storage.start + tensor.offset * tensor.item_bytes + start
        for begin in range(0, length, PIECE_BYTES):
            cancel.check()
            yield _read(file, first + begin, min(PIECE_BYTES, length - begin))
        return
    each, end = tensor.item_bytes, start + length
    most = PIECE_BYTES // each
    for begin in range(start // each, -(-end // each), most):
        piece = _gathered(file, tensor, dimensions, begin, min(begin + most, -(-end // each)), cancel)
        with memoryview(piece) as whole:
            yield bytes(whole[max(0, start - begin * each) : end - begin * each])


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


def _read(file: int, start: int, length: int) -> bytes:
    data = os.pread(file, length, start)
    while len(data) < length:  # a signal may have cut it
        more = os.pread(file, length - len(data), start + len(data))
        if not more:
            raise SagewizardError("The weights became shorter while they were read.", fix="Try again.")
        data += more
    return data


def _gathered(
    file: int, tensor: PickledTensor, dimensions: Sequence[_Dimension], begin: int, end: int, cancel: CancelToken
) -> bytearray:
    """Return the elements from the one numbered `begin` up to `end`, in the order of the rows."""
    each = tensor.item_bytes
    held = bytearray((end - begin) * each)
    letter = _LETTERS[each]
    with memoryview(held) as plain, plain.cast(letter) as target:
        boxes = [*_boxes(dimensions, begin, end, tensor.offset, 0)][::-1]
        while boxes:
            cancel.check()
            box = boxes.pop()
            span = box.span * each
            if span <= _PAGE_BYTES or (span <= _WINDOW_BYTES and box.distinct * each * _SPARSEST >= span):
                data = _read(file, tensor.storage.start + box.source * each, span)
                with memoryview(data) as read, read.cast(letter) as source:
                    _place(source, target, box)
            else:
                boxes += [*box.halves()][::-1]  # a file is read forwards
    return held


def _boxes(dimensions: Sequence[_Dimension], begin: int, end: int, source: int, target: int) -> Iterator[_Box]:
    """Yield the elements from `begin` up to `end` as boxes: the rows that are whole, and what there is of others."""
    if begin == end:
        return
    inner = math.prod(count for count, _ in dimensions[1:])
    step = dimensions[0][1]
    first, last = -(-begin // inner), end // inner  # the rows that are whole
    if first > last:  # all of it is within one row
        row = last
        yield from _boxes(dimensions[1:], begin - row * inner, end - row * inner, source + row * step, target)
        return
    if begin < first * inner:
        row = first - 1
        yield from _boxes(dimensions[1:], begin - row * inner, inner, source + row * step, target)
    if first < last:
        found, gap = [], 1
        for count, apart in reversed([(last - first, step), *dimensions[1:]]):
            if count > 1:
                found.append((count, apart, gap))
            gap *= count
        yield _Box(source + first * step, target + first * inner - begin, tuple(found))
    if last * inner < end:
        yield from _boxes(dimensions[1:], 0, end - last * inner, source + last * step, target + last * inner - begin)


def _place(source: memoryview, target: memoryview, box: _Box) -> None:
    """Copy the elements of `box` from `source`, which begins with its first one."""
    *outer, (count, step, gap) = sorted(box.dimensions, key=lambda each: each[0]) or [(1, 1, 1)]
    for at, to in _starts(outer, 0, box.target):
        if step:
            target[to : to + (count - 1) * gap + 1 : gap] = source[at : at + (count - 1) * step + 1 : step]
        else:
            repeated = source[at : at + 1].tobytes() * count
            with memoryview(repeated) as plain, plain.cast(_LETTERS[source.itemsize]) as same:
                target[to : to + (count - 1) * gap + 1 : gap] = same


def _starts(dimensions: Sequence[tuple[int, int, int]], source: int, target: int) -> Iterator[tuple[int, int]]:
    """Yield where each row begins and where it goes."""
    if not dimensions:
        yield source, target
        return
    (count, step, gap), *inner = dimensions
    for number in range(count):
        yield from _starts(inner, source + number * step, target + number * gap)
