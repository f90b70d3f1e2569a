"""A content as a file that can be sought in, for readers that look at a few places of something large."""

import io
from collections import OrderedDict
from typing import BinaryIO, Final

from core.cancellation import CancelToken
from core.models.content import Content

_BLOCK_BYTES: Final = 2**18
"""As much is asked for at once: the directory of a checkpoint, or its pickle, is mostly within one."""
_MOST_BLOCKS: Final = 8


def open_ranged(content: Content, size: int, cancel: CancelToken) -> BinaryIO:
    """Return a binary file of the `size` bytes of `content`; what is read of it is fetched, 2 MiB of that are kept.

    Reading raises what `Content.read_part` does. No digest is looked at.
    """
    return io.BufferedReader(_Blocks(content, size, cancel), _BLOCK_BYTES)


class _Blocks(io.RawIOBase):
    """Reads a content block by block, and remembers those that were last used."""

    def __init__(self, content: Content, size: int, cancel: CancelToken) -> None:
        super().__init__()
        self._content, self._size, self._cancel = content, size, cancel
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a place before the beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._size:
            return 0
        number, start = divmod(self._at, _BLOCK_BYTES)
        taken = self._block(number)[start : start + len(buffer)]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * _BLOCK_BYTES
        length = min(_BLOCK_BYTES, self._size - start)
        block = b"".join(self._content.read_part(start, length, self._cancel))
        self._blocks[number] = block
        if len(self._blocks) > _MOST_BLOCKS:
            self._blocks.popitem(last=False)
        return block
