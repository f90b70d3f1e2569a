"""Safetensors that are read of pickles while an artifact is packed: what is fetched, kept, checked and refused."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

import tests
from core.artifacts.converted_tree import conversion_bytes, converted_members
from core.artifacts.reading import read_ahead
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.errors import CancelledByUser, RefusedError, SagewizardError
from tests.checkpoints import Storage, pickled, save_shards, tensor, write_legacy, write_zip
from tests.model_contents import FarContent, far_member, far_members, near_member, near_members

FORMATS = pytest.mark.parametrize("newer", [True, False], ids=["zip", "legacy"])
PLACES = pytest.mark.parametrize("members_of", [far_members, near_members], ids=["far", "near"])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of three shards, each larger than what is asked for at once."""
    folder = tmp_path / "model"
    folder.mkdir()
    made = torch.Generator().manual_seed(0)
    state = {
        f"{name}.{number}": torch.randn(300, 400, generator=made).t() if number else torch.randn(7, 5, generator=made)
        for name in "abc"
        for number in range(3)
    }
    save_shards(folder, state, *([f"{name}.{number}" for number in range(3)] for name in "abc"))
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def converted(members: tuple[Member, ...], work: Path) -> list[Member]:
    found = converted_members(members, work, cancel=CancelToken())
    return [member for member in found if member.path.endswith(".safetensors")]


def whole(member: Member) -> bytes:
    return b"".join(member.chunks(CancelToken()))


def part(member: Member, start: int, length: int) -> bytes:
    return b"".join(member.content.read_part(start, length, CancelToken()))


def source(members: tuple[Member, ...], name: str = "pytorch_model.bin") -> FarContent:
    [found] = [member.content for member in members if member.path == name]
    assert isinstance(found, FarContent)
    return found


@FORMATS
def test_a_study_asks_for_the_ends_of_a_pickle_only(tmp_path: Path, work: Path, newer: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({f"w{number}": torch.ones(2**16) for number in range(40)}, path, _use_new_zipfile_serialization=newer)
    member = far_member(path.name, path.read_bytes())
    [found] = converted((member,), work)
    asked = source((member,)).asked
    assert len(asked) <= 4
    assert sum(length for _, length in asked) < 2**20 < member.bytes / 10
    assert list(work.iterdir()) == []
    assert found.bytes == len(whole(found))


@PLACES
def test_what_is_read_in_parts_by_many_threads_is_the_file(
    model: Path, work: Path, members_of: Callable[[Path], tuple[Member, ...]]
) -> None:
    members = members_of(model)
    found = converted(members, work)
    expected = {member.path: whole(member) for member in converted(far_members(model), work)}
    some = random.Random(0)
    parts = []
    for member in found:  # in the order of the artifact, those of neighbours mixed
        starts = [0, member.bytes, *(some.randrange(member.bytes) for _ in range(20))]
        parts += [(member, start, some.randrange(member.bytes - start + 1)) for start in sorted(starts)]
    order = sorted(range(len(parts)), key=lambda number: number + some.randrange(30))
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda number: part(*parts[number]), order)
        for number, result in zip(order, results, strict=True):
            member, start, length = parts[number]
            assert result == expected[member.path][start : start + length]


@PLACES
def test_an_artifact_that_is_read_ahead_is_the_same_and_leaves_nothing(
    model: Path, work: Path, members_of: Callable[[Path], tuple[Member, ...]]
) -> None:
    members = converted_members(members_of(model), work, cancel=CancelToken())
    got = [b""] * len(members)
    for piece in read_ahead(members, cancel=CancelToken(), unit_bytes=70_000, window_bytes=2**20):
        got[piece.member] += piece.data
    assert list(work.iterdir()) == []
    assert got == [whole(member) for member in converted_members(far_members(model), work, cancel=CancelToken())]


def test_an_artifact_that_is_not_read_to_its_end_leaves_no_half_file(model: Path, work: Path) -> None:
    members = converted_members(far_members(model), work, cancel=CancelToken())
    reading = read_ahead(members, cancel=CancelToken(), unit_bytes=70_000)
    next(reading)
    reading.close()
    assert {path.suffix for path in work.iterdir()} <= {".bin"}


@PLACES
def test_the_bytes_are_the_tensors(model: Path, work: Path, members_of: Callable[[Path], tuple[Member, ...]]) -> None:
    for number, member in enumerate(converted(members_of(model), work), start=1):
        wanted = torch.load(model / f"pytorch_model-{number:05}-of-00003.bin", weights_only=True)
        found = load(whole(member))
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_pickle_is_fetched_once_for_all_parts_and_removed_when_released(model: Path, work: Path) -> None:
    members = far_members(model)
    first, *_ = converted(members, work)
    content = source(members, "pytorch_model-00001-of-00003.bin")
    before = len(content.asked)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda start: part(first, start, 1000), range(0, 8000, 1000)))
    assert content.asked[before:] == [(0, len(content.data))]
    assert b"".join(parts) == part(first, 0, 8000)
    [kept] = work.iterdir()
    assert kept.stat().st_size == len(content.data)
    first.content.release()
    assert list(work.iterdir()) == []
    assert part(first, 0, 8000) == b"".join(parts), "it is fetched anew, should it be read again"


def test_what_is_released_while_it_is_read_goes_when_it_was_read(model: Path, work: Path) -> None:
    first, *_ = converted(far_members(model), work)
    reading = first.content.read_part(0, first.bytes, CancelToken())
    first_piece = next(reading)
    first.content.release()
    assert first_piece + b"".join(reading) == whole(first)
    first.content.release()
    assert list(work.iterdir()) == []


def test_the_disk_never_holds_more_than_is_told(model: Path, work: Path) -> None:
    members = far_members(model)
    most = []
    for member in converted(members, work):  # which are read whole, and never released
        for _ in member.chunks(CancelToken()):
            most.append(sum(path.stat().st_size for path in work.iterdir()))
    assert max(most) <= conversion_bytes(members)


def test_a_pickle_waits_until_the_last_one_is_read(model: Path, work: Path) -> None:
    first, second, _ = converted(far_members(model), work)
    reading = first.content.read_part(0, first.bytes, CancelToken())
    next(reading)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(part, second, 0, 100)
        rest = b"".join(reading)
        assert waiting.result(timeout=60) == part(second, 0, 100)
    assert len(rest) > 0
    assert len(list(work.iterdir())) == 1


def test_waiting_for_room_ends_when_stopping_is_asked_for(model: Path, work: Path) -> None:
    first, second, _ = converted(far_members(model), work)
    reading = first.content.read_part(0, first.bytes, CancelToken())
    next(reading)
    cancel = CancelToken()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: list(second.content.read_part(0, 100, cancel)))
        cancel.cancel()
        with pytest.raises(CancelledByUser):
            waiting.result(timeout=60)
    assert list(reading), "it was being read all the time"


def test_pickles_on_this_machine_are_not_copied(model: Path, work: Path) -> None:
    members = near_members(model)
    for member in converted(members, work):
        whole(member)
        assert list(work.iterdir()) == []
        member.content.release()
    assert len(list(model.glob("*.bin"))) == 3
    assert all(source(members, path.name).asked == [] for path in model.glob("*.bin"))


@pytest.mark.parametrize("far", [True, False], ids=["far", "near"])
def test_a_flipped_bit_is_told_of_before_anything_is_passed_on(tmp_path: Path, work: Path, far: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"w": torch.zeros(2**18)}, path)
    data = bytearray(path.read_bytes())
    digest = hashlib.sha256(data).hexdigest()
    data[2**19] ^= 1
    path.write_bytes(data)
    member = far_member(path.name, bytes(data), sha256=digest) if far else near_member(tmp_path, path, digest)
    [found] = converted((member,), work)
    passed: list[bytes] = []
    for _ in range(2):  # others who wait for it are told the same
        with pytest.raises(SagewizardError, match="checksum differs"):
            passed.extend(found.content.read_part(0, 100, CancelToken()))
    assert passed == []
    assert list(work.iterdir()) == []
    if far:
        assert source((member,)).whole_passes == 1


def test_a_pickle_that_is_another_one_when_it_is_fetched_is_refused(tmp_path: Path, work: Path) -> None:
    paths = [
        write_zip(tmp_path / f"{name}.bin", pickled({name: tensor(Storage("0", 4), 0, (4,), (1,))}), {"0": bytes(16)})
        for name in "ab"
    ]
    one, other = (path.read_bytes() for path in paths)
    assert len(one) == len(other)
    member = far_member("pytorch_model.bin", one, sha256=None)
    [found] = converted((member,), work)
    source((member,)).data = other
    with pytest.raises(SagewizardError, match=r"pytorch_model\.bin changed while it was being packaged"):
        part(found, 0, 10)
    assert list(work.iterdir()) == []


def test_heads_among_the_weights_that_are_damaged_are_refused_once_they_are_here(tmp_path: Path, work: Path) -> None:
    storages = {"0": bytes(2**20), "1": bytes(2**20)}
    value = {name: tensor(Storage(name, 2**18), 0, (2**18,), (1,)) for name in storages}
    new = write_zip(tmp_path / "new.bin", pickled(value), storages)
    old = write_legacy(tmp_path / "old.bin", pickled(value), storages)
    for path, told in ((new, "not where its directory says"), (old, "cut short or damaged")):
        data = bytearray(path.read_bytes())
        at = data.index(b"PK\x03\x04", 2**20) if path == new else data.rindex((2**18).to_bytes(8, "little"))
        data[at] ^= 1
        [found] = converted((far_member("pytorch_model.bin", bytes(data)),), work)
        with pytest.raises(RefusedError, match=told):
            part(found, 0, 10)
        assert list(work.iterdir()) == []
        (tmp_path / "pytorch_model.bin").write_bytes(data)
        with pytest.raises(RefusedError, match=told):
            converted((near_member(tmp_path, tmp_path / "pytorch_model.bin"),), work)


class _System:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@FORMATS
@PLACES
def test_a_hostile_pickle_is_refused_unfetched(
    model: Path, work: Path, members_of: Callable[[Path], tuple[Member, ...]], newer: bool
) -> None:
    sentinel = model / "it ran"
    evil = OrderedDict(a=torch.ones(2**19), b=_System(f"touch {sentinel}"))
    torch.save(evil, model / "pytorch_model-00002-of-00003.bin", _use_new_zipfile_serialization=newer)
    members = members_of(model)
    with pytest.raises(RefusedError, match=r"pytorch_model-00002-of-00003\.bin asks to run posix\.system"):
        converted_members(members, work, cancel=CancelToken())
    assert not sentinel.exists()
    assert list(work.iterdir()) == []
    assert all(source(members, path.name).whole_passes == 0 for path in model.glob("*.bin"))


@pytest.mark.parametrize("change", ["shorter", "longer", "gone", "a pipe", "written to", "replaced"])
def test_a_pickle_here_that_changed_is_told_of(tmp_path: Path, work: Path, change: str) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"w": torch.zeros(2**12)}, path)
    member = near_member(tmp_path, path)
    [found] = converted((member,), work)
    [ready] = converted((member,), work)
    assert part(ready, 0, 10)
    content = path.read_bytes()
    if change in {"shorter", "longer"}:
        path.write_bytes(content[:-1] if change == "shorter" else content + b"\0")
    elif change == "written to":
        os.utime(path, ns=(0, 0))
    else:
        path.unlink()
        if change == "replaced":
            path.with_name("new").write_bytes(content)
            path.with_name("new").rename(path)
        elif change == "a pipe":
            os.mkfifo(path)
    for each in (found, ready):
        with pytest.raises(SagewizardError, match=r"pytorch_model\.bin (changed while|is not there any more)"):
            part(each, 0, 10)
    if change in {"shorter", "longer", "gone", "a pipe"}:
        with pytest.raises(SagewizardError, match=r"pytorch_model\.bin (has .* bytes instead of|is not there)"):
            converted((member,), work)


def test_a_kept_pickle_that_somebody_removes_is_told_of(model: Path, work: Path) -> None:
    first, *_ = converted(far_members(model), work)
    part(first, 0, 10)
    [kept] = work.iterdir()
    kept.unlink()
    with pytest.raises(SagewizardError, match="is not there any more"):
        part(first, 0, 10)
    first.content.release()


def test_a_disk_that_fills_up_is_told_of_and_left_empty(
    model: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource
    import signal

    first, *_ = converted(far_members(model), work)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, before[1]))
        with pytest.raises(SagewizardError, match="cannot hold a file that large"):
            part(first, 0, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)
    assert list(work.iterdir()) == []


def test_tied_weights_and_the_config_are_as_ever(tmp_path: Path, work: Path) -> None:
    shared = torch.ones(3)
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": shared, "b": shared}, path)
    for config, names in (({}, {"a"}), ({"tie_word_embeddings": False}, {"a", "b"})):
        (tmp_path / "config.json").write_text(json.dumps(config))
        [found] = converted(tuple(near_member(tmp_path, tmp_path / each) for each in ("config.json", path.name)), work)
        assert load(whole(found)).keys() == names


_MEASURE = """
import resource, sys
from pathlib import Path
from core.artifacts.converted_tree import converted_members
from core.cancellation import CancelToken
from tests.model_contents import near_members, streamed_members
folder, work, members_of = Path(sys.argv[1]), Path(sys.argv[2]), globals()[sys.argv[3]]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = 0
for member in converted_members(members_of(folder), work, cancel=CancelToken()):
    for piece in member.chunks(CancelToken()):
        total += len(piece)
    member.content.release()
print(total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize("members_of", ["near_members", "streamed_members"])
def test_memory_stays_flat_whatever_the_size(tmp_path: Path, work: Path, members_of: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    state = {"straight": torch.zeros(2**24), "turned": torch.zeros(2**12, 2**13).t()}
    torch.save(state, folder / "pytorch_model.bin")
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(folder), str(work), members_of],
        cwd=Path(tests.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    total, grown = map(int, ended.stdout.split())
    assert total > 3 * 2**26
    assert grown < 2**26
