import gzip
import hashlib
import random
import struct
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts import gzip_parts
from core.artifacts.gzip_parts import HEADER, SEGMENT, EncodedPart, GzipState, combine, encode, trailer

MIB = 2**20


def noise(count: int, seed: str = "noise") -> bytes:
    return hashlib.shake_128(seed.encode()).digest(count)


def bf16(count: int) -> bytes:
    """Weights as a model has them: the upper halves of gaussian float32 numbers."""
    gauss = random.Random(7).gauss
    return b"".join(struct.pack("<f", gauss(0, 0.02))[2:] for _ in range(count // 2))


def cut(data: bytes, sizes: Iterator[int]) -> list[bytes]:
    pieces = []
    while data:
        size = next(sizes)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def opened(*parts: EncodedPart) -> bytes:
    """What a gzip reader makes of the parts; it checks length and checksum."""
    state = GzipState()
    for part in parts:
        state = state.after(part)
    return gzip.decompress(HEADER + b"".join(part.data for part in parts) + state.trailer)


# Zeros and noise in runs, so that segments of either kind and of both come about.
runs = st.lists(
    st.one_of(st.integers(0, 3000).map(bytes), st.tuples(st.integers(0, 3000), st.text()).map(lambda at: noise(*at))),
    max_size=6,
).map(b"".join)


@pytest.fixture(autouse=True, scope="module")
def small_segments() -> Iterator[None]:
    """Segments of 1000 bytes, told by their first 100; the tests of real sizes ask for `real_segments`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_parts, "SEGMENT", 1000)
        patch.setattr(gzip_parts, "_SAMPLE", 100)
        yield


@pytest.fixture
def real_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_parts, "SEGMENT", SEGMENT)
    monkeypatch.setattr(gzip_parts, "_SAMPLE", 32 * 2**10)


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.tuples(runs, st.integers(0, 8000)), max_size=5))
def test_any_parts_make_one_gzip_file(parts: list[tuple[bytes, int]]) -> None:
    assert opened(*(encode([data], least=least) for data, least in parts)) == b"".join(data for data, _ in parts)


@settings(max_examples=200, deadline=None)
@given(data=runs, least=st.integers(0, 20_000))
def test_a_part_has_as_many_bytes_as_asked_or_as_went_in(data: bytes, least: int) -> None:
    part = encode([data], least=least)
    assert len(part.data) >= min(least, len(data))
    assert (part.bytes, part.crc32) == (len(data), zlib.crc32(data))


@settings(max_examples=100, deadline=None)
@given(data=runs, least=st.integers(0, 8000), rounds=st.randoms(use_true_random=False))
def test_the_pieces_that_the_data_comes_in_do_not_matter(data: bytes, least: int, rounds: random.Random) -> None:
    pieces = cut(data, iter(lambda: rounds.randint(0, 1500), None))
    views = [memoryview(piece) for piece in pieces]
    assert encode(views, least=least) == encode([data], least=least)


@settings(max_examples=100, deadline=None)
@given(data=runs)
def test_a_part_never_grows_by_more_than_stored_blocks_do(data: bytes) -> None:
    for least in (0, len(data)):
        assert len(encode([data], least=least).data) <= len(data) + 5 * -(-len(data) // 1000)


@settings(max_examples=100, deadline=None)
@given(data=runs, at=st.integers(0, 20_000))
def test_the_state_can_be_written_down_between_any_two_parts(data: bytes, at: int) -> None:
    first, second = encode([data[:at]]), encode([data[at:]])
    before = GzipState().after(first)
    again = GzipState(before.crc32, before.bytes).after(second)
    assert again == GzipState(zlib.crc32(data), len(data))
    assert again.trailer == trailer(zlib.crc32(data), len(data))


@given(crcs=st.tuples(*[st.integers(0, 2**32 - 1)] * 3), lengths=st.tuples(*[st.integers(0, 2**42)] * 2))
def test_checksums_of_lengths_beyond_4_gib_combine_in_any_order(
    crcs: tuple[int, int, int], lengths: tuple[int, int]
) -> None:
    (a, b, c), (of_b, of_c) = crcs, lengths
    assert combine(combine(a, b, of_b), c, of_c) == combine(a, combine(b, c, of_c), of_b + of_c)


def test_the_length_in_the_trailer_wraps_at_4_gib() -> None:
    part = EncodedPart(b"", zlib.crc32(bytes(1000)), 1000)
    state = GzipState(0x1234, 2**32 - 400).after(part)
    assert state.bytes == 2**32 + 600
    assert struct.unpack("<LL", state.trailer[-8:]) == (state.crc32, 600)


def test_noise_is_stored_and_weights_and_zeros_are_compressed(real_segments: None) -> None:
    weights, zeros, random_bytes = bf16(MIB), bytes(3 * MIB), noise(3 * MIB)
    # 5 bytes for 65,535, and one block more in each segment of 1 MiB.
    assert len(encode([random_bytes]).data) == 3 * (MIB + 5 * 17)
    assert len(encode([weights]).data) < 0.8 * MIB
    assert len(encode([zeros]).data) < 0.002 * 3 * MIB
    mixed = weights + random_bytes + zeros
    part = encode([mixed])
    assert len(part.data) < 0.8 * MIB + 3 * (MIB + 5 * 17) + 0.002 * 3 * MIB
    assert opened(part) == mixed


@pytest.mark.parametrize(("values", "stored"), [(200, False), (240, True)])  # Huffman codes gain 4.2 % and 1.0 %
def test_what_hardly_gets_smaller_is_stored(values: int, stored: bool, real_segments: None) -> None:
    data = bytes(random.Random(values).choices(range(values), k=MIB))
    part = encode([data])
    assert (len(part.data) == MIB + 5 * 17) == stored
    assert len(part.data) < 0.97 * MIB or stored
    assert opened(part) == data


def test_the_part_size_of_s3_is_reached_with_16_mib_of_zeros_and_hardly_passed(real_segments: None) -> None:
    part = encode([bytes(16 * MIB)], least=5 * MIB)
    assert 5 * MIB <= len(part.data) < 6.1 * MIB
    assert opened(part) == bytes(16 * MIB)


def test_weights_are_compressed_whole_where_that_is_large_enough(real_segments: None) -> None:
    weights = bf16(MIB) * 8
    assert encode([weights], least=5 * MIB) == encode([weights])


def test_a_part_that_is_not_whole_is_not_given_out() -> None:
    assembly = gzip_parts.PartAssembly(10)
    assembly.add(gzip_parts.squeeze(b"12345"))
    assert not assembly.complete
    with pytest.raises(ValueError, match="5 bytes of the part are missing"):
        assembly.finish()
