"""Where in a file that `torch.save` wrote its parts lie: the pickle, and the bytes of each storage.

Two formats (torch/serialization.py). Since PyTorch 1.6: a zip file whose entries, stored as they are, lie in one
folder: `data.pkl`, `data/KEY` for each storage, `byteorder`. Before: pickles one after another (a magic number, the
format's version, facts about the machine, the value, the keys of the storages), then for each key the number of
elements in eight bytes, little-endian, and the elements.
"""

import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from core.artifacts.pickle_reading import NO_CHECKPOINT_FIX, read_pickle
from core.cancellation import CancelToken
from core.errors import RefusedError

_LARGEST_DIRECTORY: Final = 16 * 2**20
"""In bytes; an entry of `torch.save` takes about 70 in the directory."""
_ENCRYPTED: Final = 0x1
_ENTRY: Final = struct.Struct("<4s22xHH")
"""The head of an entry in a zip file (APPNOTE.TXT 4.3.7): the signature, then the lengths of its name and extra."""
_MAGIC: Final = 0x1950A86A20F9469CFC6C
_VERSION: Final = 1001


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of a file: where it starts and how long it is, in bytes."""

    start: int
    bytes: int


def is_zip(file: BinaryIO) -> bool:
    """Return whether the file is of the newer format, by the four bytes that PyTorch goes by."""
    file.seek(0)
    return file.read(4) == b"PK\x03\x04"


class _Guarded:
    """A file for `zipfile`, which reads as much of a directory as the file says there is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if count > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile("the directory is too large")
        return self._file.read(_LARGEST_DIRECTORY if count < 0 else count)


def zip_parts(file: BinaryIO, label: str) -> tuple[Extent, Mapping[str, Extent]]:
    """Return where the pickle of a file of the newer format is, and each storage by its key.

    Raises:
        RefusedError: it is damaged, compressed, or not of that format.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(_Guarded(file)) as archive:
            entries = archive.infolist()
        parts = {entry.filename: _extent(file, entry, size) for entry in entries if not entry.is_dir()}
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, LookupError, OverflowError) as error:
        raise RefusedError(
            f"{label} is not a zip file as PyTorch writes it: {error}.",
            fix="It may be damaged: fetch it again, or choose a model with safetensors weights.",
        ) from error
    if len(parts) != sum(not entry.is_dir() for entry in entries):
        raise RefusedError(f"{label} holds two files of one name.", fix=NO_CHECKPOINT_FIX)
    folders = [path.removesuffix("data.pkl") for path in parts if path.count("/") == 1 and path.endswith("/data.pkl")]
    if len(folders) != 1:
        raise RefusedError(f"{label} is a zip file, but not one of PyTorch's weights.", fix=NO_CHECKPOINT_FIX)
    order = parts.get(f"{folders[0]}byteorder")
    if order is not None and _content(file, order) != b"little":
        raise _of_another_machine(label)
    data = f"{folders[0]}data/"
    storages = {path.removeprefix(data): extent for path, extent in parts.items() if path.startswith(data)}
    return parts[f"{folders[0]}data.pkl"], storages


def _extent(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> Extent:
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ValueError("its entries are compressed")
    if entry.flag_bits & _ENCRYPTED:
        raise ValueError("its entries are encrypted")
    file.seek(entry.header_offset)
    signature, name, extra = _ENTRY.unpack(file.read(_ENTRY.size))
    start = entry.header_offset + _ENTRY.size + name + extra
    if signature != b"PK\x03\x04" or start + entry.file_size > size:
        raise ValueError("an entry is not where its directory says")
    return Extent(start, entry.file_size)


def _content(file: BinaryIO, extent: Extent) -> bytes:
    file.seek(extent.start)
    return file.read(min(extent.bytes, 16))


def legacy_value(file: BinaryIO, *, names: frozenset[str], label: str, cancel: CancelToken) -> tuple[Any, list[str]]:
    """Return the value in a file of the older format and the keys of its storages, and leave the file before them.

    Raises:
        RefusedError: it is not of that format, or asks to run something.
        CancelledByUser: stopping was asked for.
    """
    file.seek(0)

    def following(allowed: frozenset[str] = frozenset()) -> Any:
        return read_pickle(file, names=allowed, label=label, cancel=cancel)

    if (following(), following()) != (_MAGIC, _VERSION):
        raise RefusedError(f"{label} is not a file that PyTorch's torch.save wrote.", fix=NO_CHECKPOINT_FIX)
    machine = following()
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise _of_another_machine(label)
    value, keys = following(names), following()
    if not isinstance(keys, list) or not all(type(key) is str for key in keys) or len(set(keys)) != len(keys):
        raise RefusedError(f"{label} does not say which storages it holds.", fix=NO_CHECKPOINT_FIX)
    return value, keys


def legacy_storages(
    file: BinaryIO, keys: list[str], expected: Mapping[str, tuple[int, int]], label: str
) -> Mapping[str, Extent]:
    """Return where each storage of a file of the older format is, by its key.

    `expected` are the elements of each and the size of one in bytes, as the value says.

    Raises:
        RefusedError: it has others than those, or is cut short.
    """
    size = os.fstat(file.fileno()).st_size
    found = {}
    for key in keys:
        elements, each = expected.get(key, (-1, 0))
        stated = file.read(8)
        extent = Extent(file.tell(), elements * each)
        if stated != elements.to_bytes(8, "little", signed=True) or extent.start + extent.bytes > size:
            raise RefusedError(
                f"{label} is cut short or damaged: its storages are not those that it tells of.",
                fix="Fetch it again, or choose a model with safetensors weights.",
            )
        found[key] = extent
        file.seek(extent.start + extent.bytes)
    return found


def _of_another_machine(label: str) -> RefusedError:
    return RefusedError(
        f"{label} was written on a machine of another byte order.", fix="Choose a model with safetensors weights."
    )
