import gc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts.room import Room

SMALL, LARGE = 1000, 2**20


@settings(max_examples=50, deadline=None)
@given(pieces=st.lists(st.binary(max_size=300), max_size=10), more=st.integers(0, 10), base=st.sampled_from([0, LARGE]))
def test_what_was_written_is_what_is_taken(pieces: list[bytes], more: int, base: int) -> None:
    whole = b"".join(pieces)
    room = Room(base + len(whole) + more)
    for piece in pieces:
        room.write(memoryview(piece))
    assert room.filled == len(whole)
    taken = room.taken()
    assert taken == whole
    assert memoryview(taken).readonly


@pytest.mark.parametrize("size", [0, SMALL, LARGE])
def test_more_than_there_is_room_for_is_an_error(size: int) -> None:
    room = Room(size)
    room.write(bytes(size))
    with pytest.raises(ValueError):
        room.write(b"x")
    assert room.taken() == bytes(size)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells")
def test_memory_that_nobody_uses_goes_back() -> None:
    size = 64 * LARGE
    before = _resident()
    room = Room(size)
    room.write(b"x" * size)
    taken = room.taken()
    part = taken[5:10]
    del room, taken
    gc.collect()
    assert _resident() - before > size * 0.9, "a part of it is still used"
    assert part == b"xxxxx"
    del part
    gc.collect()
    assert _resident() - before < size * 0.2


def _resident() -> int:
    """Return the bytes that the process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
