import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.sandbox.hosting.unpacking import UnpackError, unpack


def go_on() -> None:
    pass


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "outer" / "model"
    made.mkdir(parents=True)
    return made


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, folder: Path, kind: bytes) -> None:
    info, content = member("header", bytes(2 * 2**20), type=kind)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(1024)))
    with pytest.raises(UnpackError, match="a header of 2097152 bytes"):
        unpack(path, folder, go_on)


def test_a_tree_is_unpacked(tmp_path: Path, folder: Path) -> None:
    made = archive(tmp_path / "a", member("./config.json", b"{}"), member("code/inference.py", b"x = 1"))
    unpack(made, folder, go_on)
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == {
        "config.json": b"{}",
        "code/inference.py": b"x = 1",
    }


@pytest.mark.parametrize(
    ("hostile", "word"),
    [
        (member("../../escaped", b"x"), "outside"),
        (member("code/../../../escaped", b"x"), "outside"),
        (member("link", type=tarfile.SYMTYPE, linkname="/etc"), "symbolic link"),
        (member("inner", type=tarfile.SYMTYPE, linkname="config.json"), "symbolic link"),
        (member("hard", type=tarfile.LNKTYPE, linkname="../../escaped"), "outside"),
        (member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "special file"),
        (member("pipe", type=tarfile.FIFOTYPE), "special file"),
    ],
    ids=lambda value: value[0].name if isinstance(value, tuple) else value,
)
def test_hostile_members_are_refused(
    tmp_path: Path, folder: Path, hostile: tuple[tarfile.TarInfo, bytes], word: str
) -> None:
    (tmp_path / "escaped").write_text("mine")
    with pytest.raises(UnpackError, match=word):
        unpack(archive(tmp_path / "a", member("config.json", b"{}"), hostile), folder, go_on)
    assert (tmp_path / "escaped").read_text() == "mine"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model"]


def test_an_absolute_name_stays_inside(tmp_path: Path, folder: Path) -> None:
    unpack(archive(tmp_path / "a", member("/config.json", b"{}")), folder, go_on)
    assert (folder / "config.json").read_bytes() == b"{}"


def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path, folder: Path) -> None:
    made = archive(tmp_path / "a", member("zeros", bytes(5_000_000)))
    assert made.stat().st_size < 10_000
    with pytest.raises(UnpackError, match="needs more than"):
        unpack(made, folder, go_on, most_bytes=1_000_000)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: good[: len(good) // 2],
        lambda good: good[:200] + bytes([good[200] ^ 0xFF]) + good[201:],
        lambda good: gzip.decompress(good),
        lambda _good: b"",
        lambda _good: b"PK\3\4 not this kind",
        lambda _good: gzip.compress(b"not a tar" * 1000),
    ],
    ids=["cut", "flipped", "plain tar", "empty", "zip", "no tar"],
)
def test_damaged_archives_are_refused(tmp_path: Path, folder: Path, damage: Callable[[bytes], bytes]) -> None:
    content = bytes(i * i % 251 for i in range(50_000))
    good = archive(tmp_path / "good", member("weights", content)).read_bytes()
    (tmp_path / "bad").write_bytes(damage(good))
    with pytest.raises(UnpackError):
        unpack(tmp_path / "bad", folder, go_on)


def test_it_stops_within_a_member(tmp_path: Path, folder: Path) -> None:
    made = archive(tmp_path / "a", member("zeros", bytes(20_000_000)))
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked > 3:
            raise KeyError("stop")

    with pytest.raises(KeyError):
        unpack(made, folder, stop)
