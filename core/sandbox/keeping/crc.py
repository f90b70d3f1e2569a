"""CRC-32C and CRC-64/NVME, which Python's library lacks: of bytes as they come, and of bytes put together.

A CRC is the remainder of a polynomial over GF(2), here with its bits reversed, all ones before and after (RFC 3720,
appendix B.4 for CRC-32C; NVM Express NVM Command Set Specification for CRC-64/NVME). Long pieces are worked on in
lanes side by side, a step of all lanes being a few operations on long byte strings; what the lanes come to is put
together as zlib's `crc32_combine` does it.
"""

from functools import lru_cache
from typing import Final

_LANES: Final = (1024, 256)
"""Numbers of lanes, each as long as there are lanes; what is left is done byte by byte."""

Table = tuple[int, ...]


class Crc:
    """One CRC: `width` in bits, `polynomial` reversed."""

    def __init__(self, width: int, polynomial: int) -> None:
        self.bytes = width // 8
        self._width = width
        self._ones = (1 << width) - 1
        self._polynomial = polynomial
        table = []
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
            table.append(byte)
        self._table: Table = tuple(table)
        # The table's columns: byte `place` of each entry, for `bytes.translate`.
        self._columns = [bytes(entry >> 8 * place & 255 for entry in table) for place in range(self.bytes)]
        self._shift = lru_cache(maxsize=64)(self._shift_of)
        self._shift_tables = lru_cache(maxsize=4)(self._shift_tables_of)

    def of(self, data: bytes, before: int = 0) -> int:
        """Return the CRC of what `before` is the CRC of, with `data` behind it."""
        state, at = before ^ self._ones, 0
        for lanes in _LANES:
            while len(data) - at >= lanes * lanes:
                state = self._in_lanes(state, data, at, lanes)
                at += lanes * lanes
        table = self._table
        for byte in memoryview(data)[at:]:
            state = table[(state ^ byte) & 255] ^ state >> 8
        return state ^ self._ones

    def joined(self, first: int, second: int, size: int) -> int:
        """Return the CRC of two runs of bytes, the second being of `size` bytes, from the CRC of each."""
        return self._times(self._shift(size), first) ^ second

    def _in_lanes(self, state: int, data: bytes, at: int, lanes: int) -> int:
        stop = at + lanes * lanes
        planes = [0] * self.bytes  # byte `n` of the states of all lanes, as one long number each
        for step in range(lanes):
            # Each lane goes on with its next byte.
            index = (planes[0] ^ int.from_bytes(data[at + step : stop : lanes], "little")).to_bytes(lanes, "little")
            planes = [
                int.from_bytes(index.translate(column), "little") ^ above
                for column, above in zip(self._columns, [*planes[1:], 0], strict=True)
            ]
        columns = [plane.to_bytes(lanes, "little") for plane in planes]
        tables = self._shift_tables(lanes)
        for each in zip(*columns, strict=True):
            state = _applied(tables, state) ^ int.from_bytes(bytes(each), "little")
        return state

    def _shift_of(self, size: int) -> int:
        """Return x to the power of 8 × `size`, modulo the polynomial."""
        found, power = 1 << self._width - 1, 1 << self._width - 9  # 1, and x to the power of 8
        while size:
            if size & 1:
                found = self._times(power, found)
            power = self._times(power, power)
            size >>= 1
        return found

    def _shift_tables_of(self, size: int) -> tuple[Table, ...]:
        """Return tables that multiply a state by `_shift_of(size)`, one for each byte of the state."""
        factor = self._shift(size)
        return tuple(
            tuple(self._times(factor, byte << 8 * place) for byte in range(256)) for place in range(self.bytes)
        )

    def _times(self, one: int, other: int) -> int:
        """Return the product of two polynomials, modulo this CRC's."""
        product, bit = 0, 1 << self._width - 1
        while bit:
            if one & bit:
                product ^= other
            other = other >> 1 ^ (self._polynomial if other & 1 else 0)
            bit >>= 1
        return product


def _applied(tables: tuple[Table, ...], state: int) -> int:
    found = 0
    for table in tables:
        found ^= table[state & 255]
        state >>= 8
    return found


CRC32: Final = Crc(32, 0xEDB88320)  # that of zlib, which works it out faster; here for `joined`
CRC32C: Final = Crc(32, 0x82F63B78)
CRC64NVME: Final = Crc(64, 0x9A6C9329AC4BC9B5)
