import errno
import gzip
import hashlib
import io
import subprocess
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts.archive import Packed, write_archive
from core.artifacts.counter import Counter, Passed
from core.artifacts.encoding import encoded_parts
from core.artifacts.folder import write_folder
from core.artifacts.gzip_parts import HEADER, GzipState
from core.artifacts.reading import read_ahead
from core.artifacts.tar_stream import archive_parts, part_bytes_for, tar_bytes
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.errors import CancelledByUser, NotFoundError, SagewizardError, UsageError
from core.models.content import ContentCheck
from core.models.facts import ModelFile
from core.sandbox.hosting.unpacking import unpack

Write = Callable[..., Packed]
CONTENT = {
    "config.json": b"{}",
    "empty": b"",
    "model.safetensors": hashlib.shake_128(b"weights").digest(3 * 2**20 + 17),
    "sub/" + "long-" * 40 + "name": b"long",
    "tokenizer/日本 é.txt": "ü".encode() * 512,
}


class Read:
    """Content that a function reads; `size` bytes are stated."""

    def __init__(self, size: int, read: Callable[[int, int], Iterator[bytes]]) -> None:
        self.file, self.read = ModelFile("b", size), read

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        return self.read(start, length)

    def check(self) -> ContentCheck:
        return ContentCheck(self.file, "b", "Try again.")

    def release(self) -> None:
        pass


def members(content: dict[str, bytes], piece: int = 65_536) -> list[Member]:
    def reading(data: bytes) -> Read:
        return Read(
            len(data),
            lambda start, length: (
                data[at : min(at + piece, start + length)] for at in range(start, start + length, piece)
            ),
        )

    return [Member(path, len(data), reading(data)) for path, data in sorted(content.items())]


def pack(write: Write, content: dict[str, bytes], path: Path, **options: Any) -> Packed:
    return write(members(content, **options), path, cancel=CancelToken())


def on_disk(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_packed_unpacks_the_same_with_the_data_filter(tmp_path: Path) -> None:
    packed = pack(write_archive, CONTENT, tmp_path / "model.tar.gz")
    with tarfile.open(packed.path) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    assert on_disk(tmp_path / "out") == CONTENT
    assert packed.bytes == packed.path.stat().st_size
    assert packed.sha256 == hashlib.sha256(packed.path.read_bytes()).hexdigest()
    assert {file.name: file.bytes for file in packed.files} == {path: len(data) for path, data in CONTENT.items()}


def test_what_was_packed_unpacks_the_same_with_tar(tmp_path: Path) -> None:
    packed = pack(write_archive, CONTENT, tmp_path / "model.tar.gz")
    (tmp_path / "out").mkdir()
    done = subprocess.run(["tar", "-xzf", packed.path, "-C", tmp_path / "out"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert on_disk(tmp_path / "out") == CONTENT


def test_members_carry_nothing_of_this_machine(tmp_path: Path) -> None:
    packed = pack(write_archive, CONTENT, tmp_path / "model.tar.gz")
    with tarfile.open(packed.path) as archive:
        listed = archive.getmembers()
    assert [info.name for info in listed] == sorted(CONTENT)
    assert {(i.mtime, i.uid, i.gid, i.uname, i.gname, i.mode, i.isreg()) for i in listed} == {
        (0, 0, 0, "", "", 0o644, True)
    }
    assert packed.path.read_bytes()[:8] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0])  # RFC 1952: no name, no time


def test_the_same_members_give_the_same_bytes_however_they_arrive(tmp_path: Path) -> None:
    first = pack(write_archive, CONTENT, tmp_path / "first.tar.gz", piece=1000)
    second = pack(write_archive, CONTENT, tmp_path / "second.tar.gz", piece=5 * 2**20)
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_tree_of_nothing_is_an_empty_archive(tmp_path: Path) -> None:
    packed = pack(write_archive, {}, tmp_path / "model.tar.gz")
    assert gzip.decompress(packed.path.read_bytes()) == bytes(tarfile.RECORDSIZE)


def test_the_file_has_the_bytes_that_s3_is_given_in_parts(tmp_path: Path) -> None:
    content = CONTENT | {"zeros": bytes(25 * 2**20), "zeros.more": bytes(9 * 2**20)}
    packed, each = pack(write_archive, content, tmp_path / "model.tar.gz"), members(content)
    layout = archive_parts(each, part_bytes_for(tar_bytes(each)))
    state, body = GzipState(), HEADER
    for _, part in encoded_parts(each, layout, read_ahead(each, cancel=CancelToken())):
        state, body = state.after(part), body + part.data
    assert len(layout) > 2
    assert packed.path.read_bytes() == body + state.trailer


def test_the_stand_in_for_the_container_unpacks_it(tmp_path: Path) -> None:
    packed = pack(write_archive, CONTENT, tmp_path / "model.tar.gz")
    (tmp_path / "out").mkdir()
    unpack(packed.path, tmp_path / "out", lambda: None)
    assert on_disk(tmp_path / "out") == CONTENT


@pytest.mark.parametrize("write", [write_archive, write_folder])
def test_memory_does_not_grow_with_the_size(tmp_path: Path, write: Write) -> None:
    block = hashlib.shake_128(b"cannot be compressed").digest(2**20)
    large = Member(
        "large", 400 * 2**20, Read(400 * 2**20, lambda _, length: (bytes(block) for _ in range(length >> 20)))
    )
    tracemalloc.start()
    try:
        write([large], tmp_path / "out", cancel=CancelToken())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 190 * 2**20


letters = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/\\")
parts = st.text(letters, min_size=1, max_size=60).filter(lambda part: part not in {".", ".."})
trees = st.lists(st.tuples(st.lists(parts, min_size=1, max_size=3), st.binary(max_size=3000)), max_size=6)


@settings(max_examples=40, deadline=None)
@given(tree=trees, piece=st.integers(1, 2000))
def test_any_tree_round_trips_through_both_forms(
    tmp_path_factory: pytest.TempPathFactory, tree: list[tuple[list[str], bytes]], piece: int
) -> None:
    content = {f"{number}/" + "/".join(path): data for number, (path, data) in enumerate(tree)}
    folder = tmp_path_factory.mktemp("tree")
    packed = pack(write_archive, content, folder / "a.tar.gz", piece=piece)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.path.read_bytes()))) as archive:
        unpacked = {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]
    assert unpacked == content
    assert on_disk(pack(write_folder, content, folder / "out", piece=piece).path) == content


def test_a_folder_holds_the_same_tree(tmp_path: Path) -> None:
    packed = pack(write_folder, CONTENT, tmp_path / "out")
    assert on_disk(tmp_path / "out") == CONTENT
    lines = "".join(f"{hashlib.sha256(CONTENT[path]).hexdigest()}  {path}\n" for path in sorted(CONTENT))
    assert packed.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert packed.bytes == sum(map(len, CONTENT.values()))


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    pack(write_folder, CONTENT, tmp_path / "out")
    assert on_disk(tmp_path / "out") == CONTENT


def test_a_folder_that_holds_something_or_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    (tmp_path / "file").write_text("keep")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "file", "link"):
        with pytest.raises(UsageError, match="is there already"):
            pack(write_folder, CONTENT, tmp_path / name)
    assert on_disk(tmp_path) == {"full/mine": b"keep", "file": b"keep"}


def test_a_folder_never_writes_outside_itself(tmp_path: Path) -> None:
    with pytest.raises(SagewizardError, match="outside"):
        pack(write_folder, {"../x": b"1"}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_replaces_a_file_but_not_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "model.tar.gz"
    target.write_text("old")
    pack(write_archive, CONTENT, target)
    assert tarfile.is_tarfile(target)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        pack(write_archive, CONTENT, tmp_path / "folder")


@pytest.mark.parametrize("write", [write_archive, write_folder])
def test_a_missing_parent_folder_is_said(tmp_path: Path, write: Write) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        pack(write, CONTENT, tmp_path / "no" / "out")


def failing(error: Exception) -> Callable[[int, int], Iterator[bytes]]:
    def read(_start: int, _length: int) -> Iterator[bytes]:
        yield b"x" * 3_000_000
        raise error

    return read


@pytest.mark.parametrize("write", [write_archive, write_folder])
@pytest.mark.parametrize(
    "error", [SagewizardError("digest"), OSError(5, "I/O"), KeyboardInterrupt(), ValueError("bug")]
)
def test_nothing_is_left_when_a_member_fails(tmp_path: Path, write: Write, error: Exception) -> None:
    before = threading.active_count()
    broken = [*members({"a": b"1"}), Member("b", 4_000_000, Read(4_000_000, failing(error)))]
    with pytest.raises(BaseException) as caught:
        write(broken, tmp_path / "out", cancel=CancelToken())
    assert isinstance(caught.value, SagewizardError if isinstance(error, OSError) else type(error))
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


@pytest.mark.parametrize("write", [write_archive, write_folder])
def test_nothing_is_left_when_stopped_in_the_middle(tmp_path: Path, write: Write) -> None:
    cancel = CancelToken()

    def read(_start: int, _length: int) -> Iterator[bytes]:
        yield b"x" * 1_000_000
        cancel.cancel()
        yield b"x" * 1_000_000

    with pytest.raises(CancelledByUser):
        write([Member("b", 2_000_000, Read(2_000_000, read))], tmp_path / "out", cancel=cancel)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_archive, write_folder])
def test_nothing_is_left_of_a_member_that_changed(tmp_path: Path, write: Write) -> None:
    changed = Member("b", 7, Read(7, lambda *_: iter([b"1"])))
    with pytest.raises(SagewizardError, match="b was listed with 7 bytes but ends after 1"):
        write([changed], tmp_path / "out", cancel=CancelToken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def full(self: Path, *args: Any, **kwargs: Any) -> Any:
        return real(Path("/dev/full"), "wb", buffering=0) if self.suffix == ".part" else real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(SagewizardError, match="is full; nothing was left behind") as caught:
        pack(write_archive, CONTENT, tmp_path / "model.tar.gz")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_archive, write_folder])
def test_a_file_system_that_is_read_only_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    def refuse(*_: Any, **__: Any) -> None:  # also to remove what is not there
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("open", "mkdir", "unlink", "rename"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(SagewizardError, match=r"cannot be written: Read-only file system\.$"):
        pack(write, CONTENT, tmp_path / "model.tar.gz")


def test_progress_counts_the_members_bytes(tmp_path: Path) -> None:
    told: list[Passed] = []
    total = sum(map(len, CONTENT.values()))
    for write, name in ((write_archive, "a.tar.gz"), (write_folder, "folder")):
        told.clear()
        made = members(CONTENT)
        write(made, tmp_path / name, packed=Counter(made, told.append), cancel=CancelToken())
        assert told[-1].done == total
        assert [passed.done for passed in told] == sorted(passed.done for passed in told)
        assert {passed.file for passed in told} == set(CONTENT)
