"""Goes through the bytes of a GGUF header: numbers, texts and arrays, in the format's own coding, little-endian.

No length is believed before as many bytes are there: time and memory grow with the bytes given, not with what they say.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import struct
from collections.abc import Mapping
from typing import Final

from core.errors import SagewizardError

STRING: Final = 8
"""The type of a text: its length in bytes (64 bits), and UTF-8."""
ARRAY: Final = 9
"""The type of an array: the type of its entries (32 bits), how many they are (64 bits), and they."""
NUMBERS: Final[Mapping[int, str]] = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""The types of numbers, and of truth values (7), as `struct` calls them."""

_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_MOST: Final = 2**30
"""llama.cpp (gguf.cpp) refuses longer texts and arrays than this too."""
_DEEPEST: Final = 4


class EndedError(Exception):
    """The bytes end before what was to be read."""


class GgufCursor:
    """A place in bytes, which moves on with all that is read. `name` is whose bytes they are, for messages.

    All methods raise:
        EndedError: the bytes end.
        SagewizardError: they are malformed.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._at = 0
        self._name = name

    def u32(self) -> int:
        """Return an unsigned number of 32 bits."""
        at = self._at
        self.skip(_U32.size)
        return int(_U32.unpack_from(self._data, at)[0])

    def u64(self) -> int:
        """Return an unsigned number of 64 bits."""
        at = self._at
        self.skip(_U64.size)
        return int(_U64.unpack_from(self._data, at)[0])

    def length(self, most: int = _MOST) -> int:
        """Return how much of something follows: a number of 64 bits, and at most `most`."""
        count = self.u64()
        if count > most:
            raise self.malformed(f"it tells of {count:,} entries or characters in one place")
        return count

    def text(self, length: int, kept: int) -> str:
        """Return the first `kept` bytes of a text that is `length` bytes long."""
        at = self._at
        self.skip(length)
        return self._data[at : at + min(length, kept)].decode(errors="replace")

    def numbers(self, kind: int, count: int) -> tuple[int | float | bool, ...]:
        """Return `count` numbers of one type."""
        form, at = self._form(kind, count), self._at
        self.skip(form.size)
        return form.unpack_from(self._data, at)

    def pass_over(self, kind: int, count: int, depth: int = 1) -> None:
        """Go past `count` entries of an array. Each takes bytes, so that the loops end with them."""
        if kind == STRING:
            data, at, unpack, last = self._data, self._at, _U64.unpack_from, len(self._data) - _U64.size
            for _ in range(count):
                if at > last:
                    raise EndedError
                at += _U64.size + unpack(data, at)[0]
            self.skip(at - self._at)
        elif kind == ARRAY:
            if depth >= _DEEPEST:
                raise self.malformed("its arrays are nested too deep")
            for _ in range(count):
                inner, length = self.u32(), self.length()
                self.pass_over(inner, length, depth + 1)
        else:
            self.skip(self._form(kind, 1).size * count)

    def skip(self, length: int) -> None:
        """Go past `length` bytes."""
        if length > len(self._data) - self._at:
            raise EndedError
        self._at += length

    def malformed(self, why: str) -> SagewizardError:
        """Return the error that says so."""
        return SagewizardError(f"{self._name} is a malformed GGUF file: {why}.", fix="Download it again.")

    def _form(self, kind: int, count: int) -> struct.Struct:
        if kind not in NUMBERS:
            raise self.malformed(f"it has a value of type {kind}, which there is not")
        return struct.Struct(f"<{count}{NUMBERS[kind]}")
