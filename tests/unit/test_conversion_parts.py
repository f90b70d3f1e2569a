"""Any stretch of the safetensors file that a checkpoint becomes, against what the reference implementation writes."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from core.artifacts import tensor_bytes
from core.cancellation import CancelToken
from tests.checkpoints import laid_out

TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    """A tensor of any type with few elements, which may lie anyhow in its storage."""
    shape = draw(st.lists(st.integers(0, 5), max_size=4))
    made = torch.randint(0, 100, shape).to(draw(st.sampled_from(TYPES)))
    for _ in range(draw(st.integers(0, 3))):
        how = draw(st.sampled_from(["permuted", "stepped", "expanded", "narrowed", "flat"]))
        if how == "permuted":
            made = made.permute(draw(st.permutations(range(made.dim()))))
        elif how == "expanded":
            made = made.unsqueeze(0).expand(draw(st.integers(1, 3)), *made.shape)
        elif how == "flat" and made.is_contiguous():
            made = made.view(-1)
        elif made.dim():
            dimension = draw(st.integers(0, made.dim() - 1))
            if how == "narrowed" and made.shape[dimension]:
                start = draw(st.integers(0, made.shape[dimension] - 1))
                made = made.narrow(dimension, start, draw(st.integers(0, made.shape[dimension] - start)))
            elif how == "stepped":
                step = draw(st.integers(1, 3))
                made = made[(slice(None),) * dimension + (slice(None, None, step),)]
    return made


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    """A state dict; some of its names may be of the same tensor."""
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.text("abc.é", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)):
        tied = list(found.values())
        found[name] = draw(st.sampled_from(tied)) if tied and draw(st.integers(0, 3)) == 0 else draw(tensors())
    return found


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bytes are many: what large tensors need to be taken apart for happens with small ones."""
    monkeypatch.setattr(tensor_bytes, "PIECE_BYTES", 64)
    monkeypatch.setattr(tensor_bytes, "_WINDOW_BYTES", 48)
    monkeypatch.setattr(tensor_bytes, "_PAGE_BYTES", 16)
    monkeypatch.setattr(tensor_bytes, "_SPARSEST", 2)


@pytest.mark.usefixtures("small_pieces")
@settings(max_examples=150, deadline=None)
@given(state=states(), newer=st.booleans(), copies=st.booleans(), data=st.data())
def test_every_part_is_that_of_the_file_that_safetensors_writes(
    shared_folder: Path, state: dict[str, Any], newer: bool, copies: bool, data: st.DataObject
) -> None:
    path = shared_folder / "weights.bin"
    torch.save(state, path, _use_new_zipfile_serialization=newer)
    conversion = laid_out(path, copies=copies)
    file = os.open(path, os.O_RDONLY)
    try:
        whole = b"".join(conversion.read_part(file, 0, conversion.file_bytes, CancelToken()))
        for _ in range(5):
            start = data.draw(st.integers(0, len(whole)))
            length = data.draw(st.integers(0, len(whole) - start))
            pieces = list(conversion.read_part(file, start, length, CancelToken()))
            assert b"".join(pieces) == whole[start : start + length]
            assert all(len(piece) <= 64 or piece in whole[: len(conversion.head)] for piece in pieces)
    finally:
        os.close(file)
    assert len(whole) == conversion.file_bytes
    if copies and len({each.element_size() for each in state.values()}) == len({each.dtype for each in state.values()}):
        assert whole == save({name: each.clone().contiguous() for name, each in state.items()}, {"format": "pt"})
    found = load(whole)
    assert set(found) <= set(state)
    for name, each in found.items():
        assert torch.equal(each, state[name]), name


def test_a_turned_tensor_of_many_pieces_and_windows_is_put_together(tmp_path: Path) -> None:
    large = torch.arange(3 * 2**20, dtype=torch.int32).view(2**10, 3 * 2**10)
    state = {"turned": large.t(), "column": large[:, 7], "thrice": large[:300, :300].expand(3, 300, 300)}
    path = tmp_path / "weights.bin"
    torch.save(state, path)
    conversion = laid_out(path, copies=True)
    with path.open("rb") as file:
        whole = b"".join(conversion.read_part(file.fileno(), 0, conversion.file_bytes, CancelToken()))
        part = b"".join(conversion.read_part(file.fileno(), 5_000_001, 4_999_999, CancelToken()))
    assert whole == save({name: each.contiguous() for name, each in state.items()}, {"format": "pt"})
    assert part == whole[5_000_001:10_000_000]
