"""Checkpoints of PyTorch for tests: real ones, and ones made by hand that say what no `torch.save` would."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from core.artifacts.conversion import Conversion, lay_out
from core.artifacts.pickled_weights import PickledTensor, read_pickled_weights
from core.cancellation import CancelToken

MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class Storage:
    """A storage that a pickle refers to."""

    key: str
    elements: int
    kind: Any = torch.FloatStorage
    view: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Call:
    """What is pickled as a call of `function`."""

    function: Any
    arguments: tuple[Any, ...]

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


def tensor(storage: Any, offset: Any, shape: Any, stride: Any, *metadata: Any) -> Call:
    """A tensor as `torch.save` writes it, with whatever numbers are given."""
    hooks: OrderedDict[str, Any] = OrderedDict()
    return Call(torch._utils._rebuild_tensor_v2, (storage, offset, shape, stride, False, hooks, *metadata))


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return ("storage", obj.kind, obj.key, "cpu", obj.elements, *obj.view) if isinstance(obj, Storage) else None


def pickled(value: Any) -> bytes:
    """A value as a pickle of the protocol that `torch.save` uses."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def write_zip(
    path: Path,
    data: bytes,
    storages: Mapping[str, bytes],
    *,
    compression: int = zipfile.ZIP_STORED,
    order: str = "little",
) -> Path:
    """Write a file of the newer format around the pickle `data`."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", order)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
    return path


def write_legacy(path: Path, data: bytes, storages: Mapping[str, bytes], *, little: bool = True) -> Path:
    """Write a file of the older format around the pickle `data`; the storages are of four-byte elements."""
    parts = [pickled(MAGIC), pickled(1001), pickled({"little_endian": little}), data, pickled(list(storages))]
    parts += [(len(content) // 4).to_bytes(8, "little") + content for content in storages.values()]
    path.write_bytes(b"".join(parts))
    return path


def save_shards(folder: Path, state: Mapping[str, Any], *groups: list[str], stem: str = "pytorch_model") -> None:
    """Write a state dict as shards with the names that `groups` say, and their index."""
    places: dict[str, str] = {}
    for number, names in enumerate(groups, start=1):
        file = f"{stem}-{number:05}-of-{len(groups):05}.bin"
        torch.save(OrderedDict((name, state[name]) for name in names), folder / file)
        places |= dict.fromkeys(names, file)
    (folder / f"{stem}.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def pickle_weights(folder: Path) -> Path:
    """Replace the safetensors of a model folder by one `pytorch_model.bin`, and return the folder."""
    path = folder / "model.safetensors"
    torch.save(OrderedDict(load_file(path)), folder / "pytorch_model.bin")
    path.unlink()
    return folder


def tensors_of(path: Path, *, whole: bool = True) -> tuple[PickledTensor, ...]:
    """The tensors that a file tells of, by what is in all of it or at its ends."""
    with path.open("rb") as file:
        return read_pickled_weights(file, path.stat().st_size, label=path.name, cancel=CancelToken(), whole=whole)


def laid_out(path: Path, *, copies: bool = False) -> Conversion:
    """How a checkpoint is converted: what its ends alone say, and seen to be what the whole of it says."""
    size = path.stat().st_size
    found = [lay_out(tensors_of(path, whole=whole), size, copies=copies, label=path.name) for whole in (False, True)]
    assert found[0].head == found[1].head
    assert found[0].file_bytes == found[1].file_bytes
    return found[1]


def converted(path: Path, *, copies: bool = False) -> Path:
    """Convert a file, and return the path of the safetensors beside it."""
    target = path.with_suffix(".safetensors")
    conversion = laid_out(path, copies=copies)
    with path.open("rb") as file, target.open("wb") as to:
        for piece in conversion.read_part(file.fileno(), 0, conversion.file_bytes, CancelToken()):
            to.write(piece)
    assert target.stat().st_size == conversion.file_bytes
    return target
