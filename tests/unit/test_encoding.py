import gzip
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts import gzip_parts
from core.artifacts.encoding import LEAST_PART, encoded_parts
from core.artifacts.gzip_parts import HEADER, EncodedPart, GzipState
from core.artifacts.tar_stream import ArchivePart, archive_parts, part_bytes_for, tar_bytes
from core.sandbox.hosting.unpacking import unpack
from tests.unit.tar_content import Cut, contents, entries_of, pieces_of, tar_by_python

MIB = 2**20
Content = list[tuple[str, bytes]]
REAL: Content = [
    ("config.json", b"{}"),
    ("empty", b""),
    ("noise.bin", os.urandom(9 * MIB + 1)),
    ("sub/" + "long-" * 40 + "name", b"long"),
    ("zeros.bin", bytes(30 * MIB + 5)),
]


def whole(parts: list[EncodedPart]) -> bytes:
    *_, state = accumulate(parts, GzipState.after, initial=GzipState())
    return HEADER + b"".join(part.data for part in parts) + state.trailer


def real_archive() -> bytes:
    entries = entries_of(REAL)
    layout = archive_parts(entries, part_bytes_for(tar_bytes(entries)))
    return whole([part for _, part in encoded_parts(entries, layout, pieces_of(REAL, 8 * MIB))])


@settings(max_examples=60, deadline=None)
@given(
    content=contents,
    part_bytes=st.integers(500, 9000),
    fresh=st.integers(500, 4000),
    least=st.integers(0, 500),
    piece=st.integers(1, 4000),
)
def test_any_archive_is_one_gzip_file_of_the_tar_that_python_makes_and_can_be_gone_on_with(
    content: Content, part_bytes: int, fresh: int, least: int, piece: int
) -> None:
    entries = entries_of(content)
    layout = archive_parts(entries, part_bytes, fresh_bytes=fresh)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_parts, "SEGMENT", 700)
        patch.setattr(gzip_parts, "_SAMPLE", 100)
        made = list(encoded_parts(entries, layout, pieces_of(content, piece), least=least))
        assert [part for part, _ in made] == list(layout)
        assert all(len(encoded.data) >= least for _, encoded in made[:-1])
        archive = whole([encoded for _, encoded in made])
        assert gzip.decompress(archive) == tar_by_python(content)
        states = list(accumulate((encoded for _, encoded in made), GzipState.after, initial=GzipState()))
        for first, begun in enumerate(layout):
            if begun.begins_member:
                rest = list(
                    encoded_parts(entries, layout, pieces_of(content[begun.first :], 999), first=first, least=least)
                )
                assert rest == made[first:]
                *_, state = accumulate((encoded for _, encoded in rest), GzipState.after, initial=states[first])
                assert state == states[-1]


def test_every_part_but_the_last_is_one_that_s3_takes() -> None:
    entries = entries_of(REAL)
    layout = archive_parts(entries, part_bytes_for(tar_bytes(entries)))
    made = list(encoded_parts(entries, layout, pieces_of(REAL, 8 * MIB)))
    assert [part.number for part, _ in made] == [1, 2, 3]
    assert all(len(encoded.data) >= LEAST_PART for _, encoded in made[:-1])
    assert len(made[-1][1].data) < LEAST_PART
    assert gzip.decompress(whole([encoded for _, encoded in made])) == tar_by_python(REAL)


def test_plain_gzip_and_tar_read_it(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(real_archive())
    (tmp_path / "out").mkdir()
    told = subprocess.run(["gzip", "-t", archive], capture_output=True, text=True)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    told = subprocess.run(["tar", "-xzf", archive, "-C", tmp_path / "out"], capture_output=True, text=True)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    assert {path: (tmp_path / "out" / path).read_bytes() for path, _ in REAL} == dict(REAL)


def test_python_reads_it_with_the_data_filter_and_so_does_the_stand_in_for_the_container(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(real_archive())
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as opened:
        opened.extractall(tmp_path / "python", filter="data")
    (tmp_path / "hosting").mkdir()
    unpack(archive, tmp_path / "hosting", lambda: None)
    for folder in ("python", "hosting"):
        assert {path: (tmp_path / folder / path).read_bytes() for path, _ in REAL} == dict(REAL)


def test_the_number_of_processors_does_not_change_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for processors in (1, 2, 7, None):
        monkeypatch.setattr("core.artifacts.encoding.os.cpu_count", lambda number=processors: number)
        made.append(real_archive())
    assert made.count(made[0]) == 4


def test_no_more_is_read_than_can_be_packed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.artifacts.encoding.os.cpu_count", lambda: 2)
    content: Content = [("zeros", bytes(100 * MIB))]
    entries = entries_of(content)
    layout = archive_parts(entries, 16 * MIB)
    read = 0

    def counted() -> Iterator[Cut]:
        nonlocal read
        for piece in pieces_of(content, MIB):
            read += len(piece.data)
            yield piece

    with closing(encoded_parts(entries, layout, counted())) as parts:
        for part, _ in parts:
            assert read <= part.end + 18 * MIB
    assert read == 100 * MIB


@pytest.mark.parametrize("stop", ["closed", "failed"])
def test_nothing_runs_on_once_it_is_closed_or_reading_fails(stop: str) -> None:
    before = threading.active_count()
    content: Content = [("zeros", bytes(40 * MIB))]
    entries = entries_of(content)
    layout = archive_parts(entries, 16 * MIB)

    def failing() -> Iterator[Cut]:
        for number, piece in enumerate(pieces_of(content, MIB)):
            if stop == "failed" and number == 38:
                raise OSError("unplugged")
            yield piece

    parts = encoded_parts(entries, layout, failing())
    part: ArchivePart = next(parts)[0]
    assert part.number == 1
    assert threading.active_count() > before
    if stop == "closed":
        parts.close()
    else:
        with pytest.raises(OSError, match="unplugged"):
            list(parts)
    assert threading.active_count() == before
