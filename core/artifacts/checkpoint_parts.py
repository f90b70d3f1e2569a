"""Where in a file that `torch.save` wrote its parts lie: the pickle, and the bytes of each storage.

Two formats (torch/serialization.py). Since PyTorch 1.6: a zip file whose entries, stored as they are, lie in one
folder: `data.pkl`, `data/KEY` for each storage, `byteorder`. Before: pickles one after another (a magic number, the
format's version, facts about the machine, the value, the keys of the storages), then for each key the number of
elements in eight bytes, little-endian, and the elements.

What lies among the storages, the head before each in both formats, says where exactly they begin and is read with the
whole file at hand only: of a file that is far away that would be hundreds of requests. Their sizes are known without.
"""

import struct
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from core.artifacts.pickle_reading import NO_CHECKPOINT_FIX, read_pickle
from core.cancellation import CancelToken
from core.errors import RefusedError

_LARGEST_DIRECTORY: Final = 16 * 2**20
"""In bytes; an entry of `torch.save` takes about 70 in the directory."""
_ENCRYPTED: Final = 0x1
_SIGNATURE: Final = b"PK\x03\x04"
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
    return file.read(4) == _SIGNATURE


class _Guarded:
    """A file for `zipfile`, which reads as much of a directory as the file says there is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if count > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile("the directory is too large")
        return self._file.read(_LARGEST_DIRECTORY if count < 0 else count)


def zip_parts(file: BinaryIO, size: int, label: str, *, whole: bool) -> tuple[Extent, Mapping[str, Extent]]:
    """Return where the pickle of a file of the newer format, of `size` bytes, is, and each storage by its key.

    Without `whole` the storages' heads are not read, and the earliest place where each may begin is given.

    Raises:
        RefusedError: it is damaged, compressed, or not of that format.
    """
    try:
        with zipfile.ZipFile(_Guarded(file)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        folder = _folder([entry.filename for entry in entries], label)
        read = {f"{folder}data.pkl", f"{folder}byteorder"}
        parts = {
            entry.filename: _extent(file if whole or entry.filename in read else None, entry, size) for entry in entries
        }
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, LookupError, OverflowError) as error:
        raise RefusedError(
            f"{label} is not a zip file as PyTorch writes it: {error}.",
            fix="It may be damaged: fetch it again, or choose a model with safetensors weights.",
        ) from error
    order = parts.get(f"{folder}byteorder")
    if order is not None and _content(file, order) != b"little":
        raise _of_another_machine(label)
    data = f"{folder}data/"
    storages = {path.removeprefix(data): extent for path, extent in parts.items() if path.startswith(data)}
    return parts[f"{folder}data.pkl"], storages


def _folder(paths: Collection[str], label: str) -> str:
    """Return the folder in a zip file that PyTorch's weights lie in, with the slash after it."""
    if len(set(paths)) != len(paths):
        raise RefusedError(f"{label} holds two files of one name.", fix=NO_CHECKPOINT_FIX)
    folders = [path.removesuffix("data.pkl") for path in paths if path.count("/") == 1 and path.endswith("/data.pkl")]
    if len(folders) != 1:
        raise RefusedError(f"{label} is a zip file, but not one of PyTorch's weights.", fix=NO_CHECKPOINT_FIX)
    return folders[0]


def _extent(file: BinaryIO | None, entry: zipfile.ZipInfo, size: int) -> Extent:
    """Return where an entry's content is; the earliest place for it without a file to look into."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ValueError("its entries are compressed")
    if entry.flag_bits & _ENCRYPTED:
        raise ValueError("its entries are encrypted")
    signature, name, extra = _SIGNATURE, 0, 0
    if file is not None:
        file.seek(entry.header_offset)
        signature, name, extra = _ENTRY.unpack(file.read(_ENTRY.size))
    start = entry.header_offset + _ENTRY.size + name + extra
    if entry.header_offset < 0 or signature != _SIGNATURE or start + entry.file_size > size:
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
    file: BinaryIO, size: int, keys: list[str], expected: Mapping[str, tuple[int, int]], label: str, *, whole: bool
) -> Mapping[str, Extent]:
    """Return where each storage of a file of the older format, of `size` bytes, is, by its key.

    `expected` are the elements of each and the size of one in bytes, as the value says. Without `whole` they are
    believed, and what is before each storage in the file is not read.

    Raises:
        RefusedError: it has others than those, or is cut short.
    """
    found = {}
    start = file.tell()
    for key in keys:
        elements, each = expected.get(key, (-1, 0))
        extent = Extent(start + 8, elements * each)
        if whole:
            file.seek(start)
            elements = elements if file.read(8) == elements.to_bytes(8, "little", signed=True) else -1
        if elements < 0 or extent.start + extent.bytes > size:
            raise RefusedError(
                f"{label} is cut short or damaged: its storages are not those that it tells of.",
                fix="Fetch it again, or choose a model with safetensors weights.",
            )
        found[key] = extent
        start = extent.start + extent.bytes
    return found


def _of_another_machine(label: str) -> RefusedError:
    return RefusedError(
        f"{label} was written on a machine of another byte order.", fix="Choose a model with safetensors weights."
    )
