"""Files of a folder read in parts: as they were when they were first seen, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cancellation import CancelToken
from core.errors import CancelledByUser, NotFoundError, RefusedError, SagewizardError
from core.models.facts import ModelFile
from core.models.sources import FolderSource

DATA = bytes(range(256)) * 10
FILE = ModelFile("sub/weights.bin", len(DATA))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / FILE.path).write_bytes(DATA)
    return folder


def part(source: FolderSource, start: int, length: int) -> bytes:
    return b"".join(source.content(FILE).read_part(start, length, CancelToken()))


@settings(max_examples=40)
@given(st.data())
def test_any_part_is_that_of_the_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "sub").mkdir()
    (folder / FILE.path).write_bytes(DATA)
    start = data.draw(st.integers(0, len(DATA)))
    length = data.draw(st.integers(0, len(DATA) - start))
    assert part(FolderSource(folder), start, length) == DATA[start : start + length]


def longer(path: Path) -> None:
    path.write_bytes(DATA + b"!")


def shorter(path: Path) -> None:
    path.write_bytes(DATA[:100])


def rewritten(path: Path) -> None:
    before = path.stat().st_mtime_ns
    path.write_bytes(DATA[::-1])
    os.utime(path, ns=(before, before + 1))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    rewritten(path)
    path.rename(other)
    other.rename(path)


@pytest.mark.parametrize("change", [longer, shorter, rewritten, replaced])
@pytest.mark.parametrize("seen", [True, False], ids=["read before", "stamped before"])
def test_a_file_that_changes_between_two_parts_is_refused(
    model: Path, change: Callable[[Path], None], seen: bool
) -> None:
    source = FolderSource(model)
    if seen:
        assert part(source, 0, 100) == DATA[:100]
    else:
        assert source.stamp(FILE)
    change(model / FILE.path)
    with pytest.raises(SagewizardError, match=r"weights\.bin changed while it was being packaged"):
        part(source, 100, 100)


def test_a_file_that_changes_within_a_part_is_refused(model: Path) -> None:
    pieces = FolderSource(model).content(FILE).read_part(0, len(DATA), CancelToken())
    next(pieces)
    rewritten(model / FILE.path)
    with pytest.raises(SagewizardError, match="changed while"):
        list(pieces)


@pytest.mark.parametrize(("change", "said"), [(longer, "is larger than the 2,560"), (shorter, "has 100 bytes instead")])
def test_a_file_of_another_size_than_listed_is_refused(model: Path, change: Callable[[Path], None], said: str) -> None:
    change(model / FILE.path)
    with pytest.raises(SagewizardError, match=said):
        part(FolderSource(model), 0, 10)


def test_a_file_that_is_gone_between_two_parts(model: Path) -> None:
    source = FolderSource(model)
    part(source, 0, 10)
    (model / FILE.path).unlink()
    with pytest.raises(NotFoundError, match="not there any more"):
        part(source, 10, 10)
    os.mkfifo(model / FILE.path)
    with pytest.raises(NotFoundError, match="not there any more"):
        part(source, 10, 10)


def test_links_are_followed(model: Path, tmp_path: Path) -> None:
    (model / FILE.path).rename(tmp_path / "blob")
    (model / FILE.path).symlink_to(tmp_path / "blob")
    source = FolderSource(model)
    assert part(source, 7, 9) == DATA[7:16]
    rewritten(tmp_path / "blob")
    with pytest.raises(SagewizardError, match="changed while"):
        part(source, 7, 9)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are told by Linux only")
def test_no_file_is_open_between_two_parts(model: Path) -> None:
    def is_open() -> bool:
        opened = [Path(os.path.realpath(entry)) for entry in Path("/proc/self/fd").iterdir()]
        return (model / FILE.path).resolve() in opened

    pieces = FolderSource(model).content(FILE).read_part(0, 100, CancelToken())
    next(pieces)
    assert is_open()
    assert not list(pieces)
    assert not is_open()


def test_a_stamp_tells_a_later_run_whether_a_file_changed(model: Path) -> None:
    path = model / FILE.path
    stamp = FolderSource(model).stamp(FILE)
    before = path.stat()
    assert FolderSource(model).stamp(FILE) == stamp
    path.write_bytes(bytes(len(DATA)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` and `rsync -t` leave it
    assert FolderSource(model).stamp(FILE) != stamp
    path.unlink()
    assert FolderSource(model).stamp(FILE) == ""


def test_a_file_that_changed_since_it_was_read_has_no_new_stamp(model: Path) -> None:
    source = FolderSource(model)
    part(source, 0, 1)
    rewritten(model / FILE.path)
    with pytest.raises(SagewizardError, match="changed while"):
        source.stamp(FILE)


def test_stopping_ends_reading(model: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        list(FolderSource(model).content(FILE).read_part(0, 10, cancel))


def test_a_path_that_leads_elsewhere_has_no_content(model: Path) -> None:
    with pytest.raises(RefusedError):
        FolderSource(model).content(ModelFile("../secret", 1))
