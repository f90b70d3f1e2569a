"""Memory that goes back to the system as soon as nobody uses it: for what is held by the MiB, made by one thread and
dropped by another.

The C library keeps what is dropped, each thread's by itself, in case that thread wants it again: with many threads that
can come to as much as is in use.
"""

import mmap
from contextlib import suppress
from io import BytesIO
from typing import Final

_SMALL: Final = 256 * 2**10
"""Bytes up to which the C library does better."""


class Room:
    """Room for `size` bytes, filled from its beginning. What is not filled takes no memory."""

    def __init__(self, size: int) -> None:
        self._size, self._filled = size, 0
        self._small: BytesIO | None = None
        if size <= _SMALL:
            self._small = BytesIO(bytes(size))  # as large as it is to be, so that no growing moves it
        else:
            self._view = memoryview(_mapped(size))

    @property
    def filled(self) -> int:
        """How many bytes there are."""
        return self._filled

    def write(self, data: bytes | memoryview) -> None:
        """Put bytes behind those that there are.

        Raises:
            ValueError: there is no room for them.
        """
        end = self._filled + len(data)
        if end > self._size:
            raise ValueError(f"{end} bytes where there is room for {self._size}")
        if self._small is not None:
            self._small.write(data)
        else:
            self._view[self._filled : end] = data
        self._filled = end

    def taken(self) -> bytes | memoryview:
        """Return what was written, without a copy where there is much; nothing is to be written after."""
        if self._small is None:
            return self._view[: self._filled].toreadonly()
        self._small.truncate(self._filled)
        return self._small.getvalue()


def _mapped(size: int) -> mmap.mmap:
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux: filling it the first time then takes a tenth of the time
        with suppress(OSError):  # not every kernel has them
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return mapped
