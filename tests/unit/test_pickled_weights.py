"""Checkpoints of PyTorch, read and converted without PyTorch and without running anything of them."""

import builtins
import functools
import io
import os
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from core.cancellation import CancelToken
from core.errors import CancelledByUser, RefusedError, SagewizardError
from tests.checkpoints import (
    Call,
    Storage,
    converted,
    laid_out,
    pickled,
    tensor,
    tensors_of,
    write_legacy,
    write_zip,
)

FORMATS = pytest.mark.parametrize("newer", [True, False], ids=["zip", "legacy"])


def some_tensors() -> dict[str, Any]:
    """Tensors of all kinds that a checkpoint may hold, some of them views of the same elements."""
    made = torch.Generator().manual_seed(0)
    shared = torch.randn(7, 5, generator=made)
    return {
        "bfloat16": torch.randn(9, generator=made).bfloat16(),
        "bool": torch.tensor([True, False, True]),
        "column": torch.randn(6, 4, generator=made)[:, 1],
        "double": torch.randn(3, generator=made).double(),
        "empty": torch.zeros(0, 3),
        "expanded": torch.randn(3, 1, generator=made).expand(3, 4),
        "flat": shared.view(-1),
        "half": torch.randn(2, 2, generator=made).half(),
        "int64": torch.arange(-3, 4),
        "parameter": torch.nn.Parameter(torch.randn(2, generator=made)),
        "permuted": torch.randn(2, 3, 4, 5, generator=made).permute(0, 2, 3, 1),
        "scalar": torch.tensor(3.5),
        "steps": torch.arange(100, dtype=torch.int16)[10:40:3],
        "tied.a": shared,
        "tied.b": shared,
        "transposed": torch.randn(4, 6, generator=made).t(),
        "uint8": torch.arange(5, dtype=torch.uint8),
        "zero steps": torch.tensor(2.5).expand(3, 3),
    }


def assert_same(got: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert got.keys() == wanted.keys()
    for name, each in wanted.items():
        assert (got[name].dtype, got[name].shape) == (each.dtype, each.shape), name
        assert torch.equal(got[name].view(torch.uint8) if each.dim() else got[name], _bits(each)), name


def _bits(each: Any) -> Any:
    return each.detach().contiguous().view(torch.uint8) if each.dim() else each


@FORMATS
def test_what_is_converted_is_what_pytorch_loads(tmp_path: Path, newer: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(some_tensors(), path, _use_new_zipfile_serialization=newer)
    wanted = torch.load(path, weights_only=True)
    assert_same(load_file(converted(path, copies=True)), wanted)
    del wanted["tied.b"]
    assert_same(load_file(converted(path)), wanted)


def test_of_tied_weights_one_is_kept_and_the_other_told_of(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(some_tensors(), path)
    with safe_open(converted(path), "pt") as opened:
        assert opened.metadata() == {"format": "pt", "tied.b": "tied.a"}


@FORMATS
def test_types_without_a_class_of_storage_are_converted(tmp_path: Path, newer: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    made = {
        "u16": torch.tensor([1, 60000], dtype=torch.uint16),
        "f8": torch.tensor([1.5, -2.0, 0.25]).to(torch.float8_e4m3fn),
    }
    torch.save(made, path, _use_new_zipfile_serialization=newer)
    assert_same(load_file(converted(path)), made)


def test_a_module_s_state_is_converted_byte_for_byte_as_safetensors_would(tmp_path: Path) -> None:
    path, theirs = tmp_path / "pytorch_model.bin", tmp_path / "theirs.safetensors"
    state = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.LayerNorm(5), torch.nn.Linear(5, 2)).state_dict()
    torch.save(state, path)
    save_file(dict(state), theirs, {"format": "pt"})
    assert converted(path).read_bytes() == theirs.read_bytes()


def test_the_pickles_of_python_2_are_read(tmp_path: Path) -> None:
    # SHORT_BINSTRING keys in an OrderedDict made of pairs
    view = pickled(tensor(Storage("0", 2), 0, (2,), (1,)))[2:-1]
    data = b"\x80\x02ccollections\nOrderedDict\n(](](U\x01w" + view + b"eetR."
    path = write_zip(tmp_path / "old.bin", data, {"0": b"abcdefgh"})
    [found] = tensors_of(path)
    assert (found.name, found.shape, found.dtype) == ("w", (2,), "F32")


class _Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def evil_values(sentinel: Path) -> dict[str, tuple[Any, str]]:
    """Values that do something when they are unpickled, and the name that is refused."""
    command = f"touch {sentinel}"
    return {
        "system": (_Evil(os.system, command), "posix.system"),
        "eval": (_Evil(builtins.eval, f"open({str(sentinel)!r}, 'w')"), "builtin"),
        "partial": (_Evil(functools.partial(os.system, command)), "functools.partial"),
        "nested": ({"w": [({"x": _Evil(os.system, command)},)]}, "posix.system"),
        "load": (_Evil(torch.load, str(sentinel)), "torch"),
        "in a tensor": ({"w": tensor(_Evil(os.system, command), 0, (2,), (1,))}, "posix.system"),
    }


@FORMATS
@pytest.mark.parametrize("name", ["system", "eval", "partial", "nested", "load", "in a tensor"])
def test_code_is_refused_by_name_and_not_run(tmp_path: Path, name: str, newer: bool) -> None:
    sentinel = tmp_path / "it ran"
    value, told = evil_values(sentinel)[name]
    data = pickled({"w": value} if not isinstance(value, dict) else value)
    path = tmp_path / "evil.bin"
    (write_zip if newer else write_legacy)(path, data, {"0": bytes(8)})
    with pytest.raises(RefusedError, match=rf"evil\.bin asks to run .*{told}.* when it is loaded: it is refused"):
        converted(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["evil.bin"]


@pytest.mark.parametrize("function", [b"c__builtin__\n__import__\n", b"ctorch\nos.system\n", b"ctorch.storage\nos\n"])
def test_ways_around_names_are_refused(tmp_path: Path, function: bytes) -> None:
    sentinel = tmp_path / "it ran"
    called = b"c__builtin__\ngetattr\n(" + function + b"(U\x02ostRU\x06systemtR"
    command = f"touch {sentinel}".encode()
    for data in (called, function):
        data = b"\x80\x02" + data + b"(U" + bytes([len(command)]) + command + b"tR."
        path = write_zip(tmp_path / "evil.bin", data, {})
        with pytest.raises(RefusedError, match="asks to run"):
            tensors_of(path)
    assert not sentinel.exists()


@pytest.mark.parametrize("at", range(5))
def test_code_in_the_other_pickles_of_an_older_file_is_refused(tmp_path: Path, at: int) -> None:
    sentinel = tmp_path / "it ran"
    evil = _Evil(os.system, f"touch {sentinel}")
    values: list[Any] = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, []]
    values[at] = evil
    path = tmp_path / "evil.bin"
    path.write_bytes(b"".join(pickled(value) for value in values))
    with pytest.raises(RefusedError, match="asks to run"):
        tensors_of(path)
    assert not sentinel.exists()


W = Storage("0", 4)
GOOD = tensor(W, 0, (4,), (1,))


@FORMATS
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"w": tensor(W, 1, (4,), (1,))}, "reaches beyond its storage"),
        ({"w": tensor(W, 0, (2, 3), (3, 1))}, "reaches beyond its storage"),
        ({"w": tensor(W, 0, (2**61, 2**61), (2**61, 2**61))}, "reaches beyond its storage"),
        ({"w": tensor(W, 2**70, (1,), (1,))}, "no tensor"),
        ({"w": tensor(W, -1, (1,), (1,))}, "no tensor"),
        ({"w": tensor(W, 0, (-1,), (1,))}, "no tensor"),
        ({"w": tensor(W, 0, (4,), (-1,))}, "no tensor"),
        ({"w": tensor(W, 0, (True,), (1,))}, "no tensor"),
        ({"w": tensor(W, 0, (4,), (1, 1))}, "no tensor"),
        ({"w": tensor(W, 0, [4], [1])}, "no tensor"),
        ({"w": tensor(W, 0, (1,) * 40, (1,) * 40)}, "no tensor"),
        ({"w": tensor(W, 0, (4,), (1,), {"conj": True})}, "no tensor"),
        ({"w": tensor(Storage("0", 4, torch.ComplexFloatStorage), 0, (2,), (1,))}, "asks to run torch.ComplexFloat"),
        ({"w": tensor(Storage("0", 4, view=(("1", 0, 2),)), 0, (4,), (1,))}, "no tensor"),
        ({"w": tensor("0", 0, (4,), (1,))}, "no tensor"),
        ({"w": tensor(Storage("absent", 4), 0, (4,), (1,))}, "are not"),
        ({"w": 3}, "no tensor"),
        ({"w": {"x": GOOD}}, "no tensor"),
        ({"w": torch.FloatStorage}, "no tensor"),
        ({"w": Call(torch._utils._rebuild_parameter, ())}, "no tensor"),
        ({"\ud800": GOOD}, "no tensor"),
        ({1: GOOD}, "not a file of weights"),
        ({}, "no tensors by their names"),
        ([GOOD], "no tensors by their names"),
        (GOOD, "no tensors by their names"),
    ],
)
def test_what_no_weights_look_like_is_refused(tmp_path: Path, value: Any, told: str, newer: bool) -> None:
    path = tmp_path / "odd.bin"
    data = pickled(value)
    (write_zip if newer else write_legacy)(path, data, {"0": bytes(16)})
    with pytest.raises(RefusedError, match=told):
        converted(path)


@pytest.mark.parametrize("sizes", [(4, 8), (8, 4)])
def test_one_storage_of_two_sizes_is_refused(tmp_path: Path, sizes: tuple[int, int]) -> None:
    value = {f"w{size}": tensor(Storage("0", size), 0, (1,), (1,)) for size in sizes}
    for path in (
        write_zip(tmp_path / "zip.bin", pickled(value), {"0": bytes(16)}),
        write_legacy(tmp_path / "legacy.bin", pickled(value), {"0": bytes(16)}),
    ):
        with pytest.raises(RefusedError):
            tensors_of(path)


def test_a_tensor_with_the_name_of_the_metadata_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "odd.bin", pickled({"__metadata__": GOOD}), {"0": bytes(16)})
    with pytest.raises(RefusedError, match="called __metadata__"):
        converted(path)


def test_a_small_file_that_unfolds_to_a_large_one_is_refused_before_it_is_written(tmp_path: Path) -> None:
    value = {f"w{number}": tensor(W, 0, (2**30, 4), (0, 1)) for number in range(9)}
    path = write_zip(tmp_path / "bomb.bin", pickled(value), {"0": bytes(16)})
    with pytest.raises(RefusedError, match="again and again"):
        converted(path)
    assert [each.name for each in tmp_path.iterdir()] == ["bomb.bin"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02}r\xff\xff\xff\x1f.",  # room for 2^29 values to be remembered
        b"\x80\x02" + b"(" * 100_000 + b".",
        b"\x80\x02)" + b"\x85" * 100_000 + b".",
        b"\x80\x02X\xff\xff\xff\x7fab.",  # a text of 2 GB, by its length
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x0fab.",
        b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
        b"\x80\x02\x86.",
        b"\x80\x02t.",
        b"\x80\x02h\x00.",
        b"\x80\x02}}R.",
        b"",
        b".",
    ],
)
def test_pickles_made_to_break_their_reader_are_refused(tmp_path: Path, data: bytes) -> None:
    path = write_zip(tmp_path / "odd.bin", data, {"0": bytes(16)})
    tracemalloc.start()
    with pytest.raises(RefusedError):
        tensors_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_a_pickle_that_copies_a_list_again_and_again_is_refused(tmp_path: Path) -> None:
    pairs = [[f"key {number}", None] for number in range(20_000)]
    twice = Call(OrderedDict, (pairs,)), [Call(OrderedDict, (pairs,)) for _ in range(200)]
    path = write_zip(tmp_path / "odd.bin", pickled(twice), {})
    with pytest.raises(RefusedError, match="not a file of weights"):
        tensors_of(path)


def test_odd_zip_files_are_refused(tmp_path: Path) -> None:
    data, storages = pickled({"w": GOOD}), {"0": bytes(16)}
    for path, told in (
        (write_zip(tmp_path / "small.bin", data, storages, compression=zipfile.ZIP_DEFLATED), "compressed"),
        (write_zip(tmp_path / "big.bin", data, storages, order="big"), "another byte order"),
        (write_legacy(tmp_path / "big-legacy.bin", data, storages, little=False), "another byte order"),
    ):
        with pytest.raises(RefusedError, match=told):
            tensors_of(path)
    with zipfile.ZipFile(tmp_path / "script.bin", "w") as archive:
        archive.writestr("archive/constants.pkl", b"")
    with pytest.raises(RefusedError, match="not one of PyTorch's weights"):
        tensors_of(tmp_path / "script.bin")
    with zipfile.ZipFile(tmp_path / "twice.bin", "w") as archive:
        archive.writestr("archive/data.pkl", data)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("archive/data.pkl", data)
    with pytest.raises(RefusedError, match="two files of one name"):
        tensors_of(tmp_path / "twice.bin")


def test_memory_stays_within_pieces_whatever_the_size(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    large = torch.arange(12 * 2**20, dtype=torch.int32).view(3 * 2**10, 2**12)
    torch.save({"straight": large, "turned": large.t()}, path)
    tracemalloc.start()
    target = converted(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20
    assert_same(load_file(target), {"straight": large, "turned": large.t()})


def test_stopping_is_heard_between_pieces(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"straight": torch.zeros(2**21), "turned": torch.zeros(2**11, 2**10).t()}, path)
    conversion = laid_out(path)
    with path.open("rb") as file:
        for start in (0, conversion.starts[1]):
            pieces = conversion.read_part(file.fileno(), start, 2**22 + 8, cancel := CancelToken())
            assert next(pieces)
            cancel.cancel()
            with pytest.raises(CancelledByUser):
                list(pieces)


def test_a_checkpoint_that_is_cut_short_meanwhile_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"straight": torch.zeros(2**11), "turned": torch.zeros(2**6, 2**5).t()}, path)
    conversion = laid_out(path)
    with path.open("r+b") as file:
        file.truncate(1000)
        for start in conversion.starts:
            with pytest.raises(SagewizardError, match="became shorter"):
                list(conversion.read_part(file.fileno(), start, 2**11, CancelToken()))


def saved(newer: bool) -> bytes:
    buffer = io.BytesIO()
    small = {"a": torch.randn(2, 3).t(), "b": torch.nn.Parameter(torch.ones(2)), "c": torch.zeros(3).half()}
    torch.save(small, buffer, _use_new_zipfile_serialization=newer)
    return buffer.getvalue()


REAL = {newer: saved(newer) for newer in (True, False)}


def only_refusals_come_of(content: bytes, folder: Path) -> None:
    path = folder / "x.bin"
    path.write_bytes(content)
    try:
        tensors_of(path, whole=False)
    except SagewizardError:  # what its ends are refused for, the whole is refused for
        with pytest.raises(SagewizardError):
            tensors_of(path)
    else:
        with suppress(SagewizardError):
            load_file(converted(path))


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", pickle.dumps(1, 2)]))
def test_random_bytes_are_refused(shared_folder: Path, content: bytes, start: bytes) -> None:
    only_refusals_come_of(start + content, shared_folder)


@FORMATS
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(shared_folder: Path, newer: bool, data: st.DataObject) -> None:
    content = bytearray(REAL[newer])
    if data.draw(st.booleans(), "cut"):
        content = content[: data.draw(st.integers(0, len(content)), "length")]
    for _ in range(data.draw(st.integers(0, 4), "changes")):
        if content:
            content[data.draw(st.integers(0, len(content) - 1), "at")] = data.draw(st.integers(0, 255), "byte")
    only_refusals_come_of(bytes(content), shared_folder)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 600))
def test_damaged_pickles_are_refused_or_read(shared_folder: Path, inserted: bytes, at: int) -> None:
    with zipfile.ZipFile(io.BytesIO(REAL[True])) as archive:
        data = archive.read("archive/data.pkl")
        storages = {str(number): archive.read(f"archive/data/{number}") for number in range(3)}
    path = write_zip(shared_folder / "y.bin", data[:at] + inserted + data[at + len(inserted) :], storages)
    only_refusals_come_of(path.read_bytes(), shared_folder)
