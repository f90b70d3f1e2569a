import io
import tarfile
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts.tar_stream import ArchivePart, archive_parts, header, part_bytes_for, parts_of, tar_bytes
from tests.unit.tar_content import Cut, Named, contents, entries_of, pieces_of, tar_by_python

MIB = 2**20
Content = list[tuple[str, bytes]]


def headers_at(content: Content) -> list[int]:
    """Where in the tar each member begins, by what Python reads of it."""
    with tarfile.open(fileobj=io.BytesIO(tar_by_python(content)), encoding="utf-8") as archive:
        return [info.offset for info in archive]


@settings(max_examples=100, deadline=None)
@given(content=contents, part_bytes=st.integers(1, 9000), fresh=st.integers(1, 9000))
def test_the_parts_cover_the_tar_and_begin_where_they_say(content: Content, part_bytes: int, fresh: int) -> None:
    layout = archive_parts(entries_of(content), part_bytes, fresh_bytes=fresh)
    assert [part.number for part in layout] == list(range(1, len(layout) + 1))
    assert (layout[0].start, layout[-1].end) == (0, len(tar_by_python(content)))
    assert all(before.end == after.start for before, after in pairwise(layout))
    assert all(0 < part.bytes < part_bytes + fresh for part in layout[:-1])
    assert layout[-1].bytes < part_bytes + fresh + 21 * tarfile.BLOCKSIZE
    at = headers_at(content)
    for part in layout if content else ():
        assert part.begins_member == (part.start in at)
        assert part.first == max(index for index, start in enumerate(at) if start <= part.start)


@settings(max_examples=100, deadline=None)
@given(content=contents, part_bytes=st.integers(1, 9000), fresh=st.integers(1, 9000))
def test_a_part_ends_when_it_is_full_or_before_a_member_when_it_holds_enough(
    content: Content, part_bytes: int, fresh: int
) -> None:
    layout = archive_parts(entries_of(content), part_bytes, fresh_bytes=fresh)
    for part, after in pairwise(layout):
        assert part.bytes == part_bytes or (after.begins_member and part.bytes >= min(fresh, part_bytes))
    for start in headers_at(content)[1:]:
        around = next(part for part in layout if part.start <= start < part.end)
        assert start - around.start < min(fresh, part_bytes)


@settings(max_examples=100, deadline=None)
@given(content=contents, part_bytes=st.integers(1, 9000), fresh=st.integers(1, 9000), piece=st.integers(1, 4000))
def test_the_parts_hold_the_tar_that_python_makes_from_each_that_begins_a_member(
    content: Content, part_bytes: int, fresh: int, piece: int
) -> None:
    entries, whole = entries_of(content), tar_by_python(content)
    layout = archive_parts(entries, part_bytes, fresh_bytes=fresh)
    for first, begun in enumerate(layout):
        if first and not begun.begins_member:
            continue
        held: dict[ArchivePart, bytes] = {}
        for part, data in parts_of(entries, layout, pieces_of(content[begun.first :], piece), first=first):
            held[part] = held.get(part, b"") + data
        assert held == {part: whole[part.start : part.end] for part in layout[first:]}


def test_the_length_of_the_tar_is_known_before_it_is_made() -> None:
    content = [("a", b"x" * 700), ("name-" * 60, b""), ("é", b"y" * 512)]
    assert tar_bytes(entries_of(content)) == len(tar_by_python(content))


def test_nothing_is_one_part_that_ends_the_tar() -> None:
    assert archive_parts((), 16 * MIB) == (ArchivePart(1, 0, tarfile.RECORDSIZE, 0, begins_member=False),)


def test_small_files_share_a_part_and_what_follows_a_large_one_begins_its_own() -> None:
    small = [Named(f"{index}", 3 * MIB) for index in range(4)]
    layout = archive_parts([*small, Named("large", 40 * MIB), Named("last", 1)], 16 * MIB)
    assert [(part.first, part.begins_member) for part in layout] == [
        (0, True),  # three small files: 9 MiB and their headers
        (3, True),  # one more, and of the large one what fits beside so little
        (4, False),
        (4, False),  # 11 MiB, with which the large one ends
        (5, True),
    ]


def test_the_rest_of_a_member_is_not_a_part_of_its_own_when_it_is_small() -> None:
    layout = archive_parts([Named("a", 39 * MIB), Named("b", 33 * MIB), Named("c", 1)], 16 * MIB)
    assert [(part.first, part.begins_member, part.bytes // MIB) for part in layout] == [
        (0, True, 16),
        (0, False, 23),
        (1, True, 16),
        (1, False, 17),
        (2, True, 0),
    ]


def test_a_member_beyond_8_gib_has_its_size_in_the_header() -> None:
    assert tarfile.TarInfo.frombuf(header(Named("big", 2**35 + 5)), "utf-8", "strict").size == 2**35 + 5


@pytest.mark.parametrize(
    ("count", "each"),
    [(1, 5 * 2**40), (191, 4_240_000_000), (9_500, 16 * MIB), (15_000, 9 * MIB), (18_000, 8 * MIB), (6_000, 24 * MIB)],
)
def test_there_are_never_more_parts_than_s3_takes(count: int, each: int) -> None:
    entries = [Named(f"{index:05}", each) for index in range(count)]
    layout = archive_parts(entries, part_bytes_for(tar_bytes(entries)))
    assert len(layout) < 10_000
    assert min(part.bytes for part in layout[:-1]) >= 8 * MIB


def test_each_shard_of_a_large_model_begins_a_part() -> None:
    entries = [Named(f"model-{index:05}-of-00191.safetensors", 4_240_000_000) for index in range(191)]
    layout = archive_parts(entries, part_bytes_for(tar_bytes(entries)))
    assert [part.first for part in layout if part.begins_member] == list(range(191))


def test_parts_grow_by_whole_mib_once_there_were_over_9000() -> None:
    assert [part_bytes_for(total) for total in (0, 9_000 * 16 * MIB, 9_000 * 16 * MIB + 1, 9_000 * 100 * MIB)] == [
        16 * MIB,
        16 * MIB,
        17 * MIB,
        100 * MIB,
    ]


@pytest.mark.parametrize("pieces", [[Cut(b"12", last=True)], [Cut(b"12345", last=True)], []])
def test_content_that_is_not_as_long_as_stated_makes_no_tar(pieces: list[Cut]) -> None:
    entries = [Named("weights", 4)]
    with pytest.raises(ValueError, match=r"weights: \d bytes came where 4 were stated"):
        list(parts_of(entries, archive_parts(entries, 512, fresh_bytes=512), pieces))


def test_nothing_begins_in_the_midst_of_a_member() -> None:
    entries = [Named("weights", 1000)]
    with pytest.raises(ValueError, match="part 2 begins in the midst"):
        list(parts_of(entries, archive_parts(entries, 512, fresh_bytes=512), [], first=1))
