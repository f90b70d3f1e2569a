"""What a checkpoint of PyTorch (`pytorch_model.bin`) holds, without PyTorch and without running anything of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from core.artifacts.checkpoint_parts import Extent, is_zip, legacy_storages, legacy_value, zip_parts
from core.artifacts.pickle_reading import NO_CHECKPOINT_FIX, Called, External, Named, read_pickle
from core.cancellation import CancelToken
from core.errors import RefusedError, SagewizardError
from core.external_text import clean_line

_MOST_TENSORS: Final = 100_000
_MOST_DIMENSIONS: Final = 32
_LARGEST: Final = 2**62
_STORAGES: Final[Mapping[str, str]] = {
    "Double": "F64",
    "Float": "F32",
    "Half": "F16",
    "BFloat16": "BF16",
    "Long": "I64",
    "Int": "I32",
    "Short": "I16",
    "Char": "I8",
    "Byte": "U8",
    "Bool": "BOOL",
    "Untyped": "U8",
}
_DTYPES: Final[Mapping[str, str]] = {
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
}
"""Data types that have no class of storage, by PyTorch's names."""
_ITEM_BYTES: Final[Mapping[str, int]] = {
    "F64": 8, "I64": 8, "U64": 8,
    "F32": 4, "I32": 4, "U32": 4,
    "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
_STORAGE_NAMES: Final = {
    f"{module}.{name}Storage": dtype
    for name, dtype in _STORAGES.items()
    for module in ("torch", "torch.cuda", "torch.storage")
}
_DTYPE_NAMES: Final = {f"torch.{name}": dtype for name, dtype in _DTYPES.items()}
_PARAMETER: Final = "torch._utils._rebuild_parameter"
_TENSORS: Final = {"torch._utils._rebuild_tensor": 4, "torch._utils._rebuild_tensor_v2": 6}
"""The functions that make a tensor, and how many arguments they take without the metadata."""
_TENSOR_OF_DTYPE: Final = "torch._utils._rebuild_tensor_v3"
_NAMES: Final = frozenset(
    {"collections.OrderedDict", "torch.Size", _PARAMETER, _TENSOR_OF_DTYPE, *_TENSORS, *_STORAGE_NAMES, *_DTYPE_NAMES}
)


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """One tensor: where its elements are in the file.

    `dtype` is safetensors' name of its type. `storage` is the stretch of the file that it is a view of; `offset` is
    where in there it begins, and `stride` how far the next element of each dimension is, both in elements.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    storage: Extent

    @property
    def item_bytes(self) -> int:
        """The size of an element."""
        return _ITEM_BYTES[self.dtype]

    @property
    def bytes(self) -> int:
        """The size of all elements, each written once for every place that it has."""
        return math.prod(self.shape) * self.item_bytes


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor as the pickle tells of it: its storage is but a key, with its elements and the size of one."""

    key: str
    elements: int
    element_bytes: int
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_pickled_weights(
    file: BinaryIO, size: int, *, label: str, cancel: CancelToken, whole: bool = True
) -> tuple[PickledTensor, ...]:
    """Return the tensors of a checkpoint of `size` bytes, by name; only what tells of them is read.

    Without `whole` nothing is read that lies among the elements, but beginnings and ends only. Then `storage.start` is
    no more than a place that it does not lie before; all else is as the file says. `label` is its name in errors.

    Raises:
        RefusedError: it asks to run something, holds other things than tensors, or is damaged.
        SagewizardError: it cannot be read.
        CancelledByUser: stopping was asked for.
    """
    try:
        views, storages = _read(file, size, label, cancel, whole=whole)
    except OSError as error:
        raise SagewizardError(f"{label} cannot be read: {error.strerror or error}.", fix="Check the disk.") from error
    found = []
    for name, view in views.items():
        storage = storages.get(view.key)
        if storage is None or storage.bytes != view.elements * view.element_bytes:
            raise _refusal(label, name, "its bytes are not there, or not as many as it says")
        tensor = PickledTensor(name, view.dtype, view.shape, view.stride, view.offset, storage)
        if not _inside(tensor):
            raise _refusal(label, name, "it reaches beyond its storage")
        found.append(tensor)
    return tuple(sorted(found, key=lambda tensor: tensor.name))


def _read(
    file: BinaryIO, size: int, label: str, cancel: CancelToken, *, whole: bool
) -> tuple[Mapping[str, _View], Mapping[str, Extent]]:
    if is_zip(file):
        pickle, storages = zip_parts(file, size, label, whole=whole)
        file.seek(pickle.start)
        return _views(read_pickle(file, names=_NAMES, label=label, cancel=cancel), label), storages
    value, keys = legacy_value(file, names=_NAMES, label=label, cancel=cancel)
    views = _views(value, label)
    expected = {view.key: (view.elements, view.element_bytes) for view in views.values()}
    return views, legacy_storages(file, size, keys, expected, label, whole=whole)


def _views(value: Any, label: str) -> Mapping[str, _View]:
    if type(value) is not dict or not value:
        raise RefusedError(f"{label} holds no tensors by their names.", fix=NO_CHECKPOINT_FIX)
    if len(value) > _MOST_TENSORS:
        raise RefusedError(f"{label} holds more than {_MOST_TENSORS:,} tensors.", fix=NO_CHECKPOINT_FIX)
    found = {}
    for name, each in value.items():
        try:
            name.encode()
            found[name] = _view(each)
        except (ValueError, TypeError, LookupError) as error:
            raise _refusal(label, name, "it is no tensor that safetensors can hold") from error
    return found


def _view(value: Any) -> _View:
    """Return what a pickled value says of a tensor; ValueError, TypeError or LookupError where it is none."""
    if type(value) is Called and value.name == _PARAMETER:
        value = value.arguments[0]
    if type(value) is not Called:
        raise TypeError("no tensor")
    arguments = value.arguments
    storage, offset, shape, stride = arguments[:4]
    key, stored, elements = _storage(storage)
    dtype = stored
    if value.name == _TENSOR_OF_DTYPE:
        dtype, extras = _DTYPE_NAMES[_name(arguments[6])], arguments[7:]
    else:
        extras = arguments[_TENSORS[value.name] :]
    if any(extras):  # conjugated or negated: the elements are not what is stored
        raise ValueError("metadata")
    if type(shape) is not tuple or type(stride) is not tuple or not len(shape) == len(stride) <= _MOST_DIMENSIONS:
        raise ValueError("shape")
    for number in (offset, elements, *shape, *stride):
        if type(number) is not int or not 0 <= number < _LARGEST:
            raise ValueError("number")
    return _View(key, elements, _ITEM_BYTES[stored], dtype, offset, shape, stride)


def _storage(value: Any) -> tuple[str, str, int]:
    """Return the key, the type and the number of elements of a storage that a pickle refers to."""
    if type(value) is not External:
        raise TypeError("no storage")
    kind, named, key, _, elements, *view = value.identity
    if kind != "storage" or type(key) is not str or any(part is not None for part in view):
        raise ValueError("no storage")
    return key, _STORAGE_NAMES[_name(named)], elements


def _name(value: Any) -> str:
    if type(value) is not Named:
        raise TypeError("no name")
    return value.name


def _inside(tensor: PickledTensor) -> bool:
    if 0 in tensor.shape:
        return True
    last = tensor.offset + sum((count - 1) * step for count, step in zip(tensor.shape, tensor.stride, strict=True))
    return (last + 1) * tensor.item_bytes <= tensor.storage.bytes


def _refusal(label: str, name: str, why: str) -> RefusedError:
    shown = clean_line(name.encode(errors="replace").decode())[:120]
    return RefusedError(f"{label} holds “{shown}”, but {why}.", fix=NO_CHECKPOINT_FIX)
