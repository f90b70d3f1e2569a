"""A model in a folder of this machine: which files it has."""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.cancellation import CancelToken
from core.errors import AccessError, NotFoundError, RefusedError, SagewizardError, UsageError
from core.external_text import clean_line
from core.models import layout
from core.models.facts import ModelFile
from core.models.no_weights import known_otherwise
from core.models.packaged_files import LFS_POINTER, as_small_as_a_pointer
from core.quantities import format_bytes

_MOST_FILES: Final = 20_000
_EXPECTED: Final = "A model folder has config.json, its weights (*.safetensors) and its tokenizer at its top."


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The files of a model folder, by path, and what was left out with a word on why.

    `lfs_pointers` are the paths of those that Git LFS put in place of the real ones.
    """

    files: tuple[ModelFile, ...]
    warnings: tuple[str, ...]
    lfs_pointers: tuple[str, ...] = ()


def list_folder(root: Path, cancel: CancelToken) -> FolderListing:
    """Return the files under `root` that belong to the model.

    Hidden files and folders (`.git`, `.cache`, …) and `__pycache__` are no part of it. Links to files count as the
    files (the Hub's cache is made of such links), those that lead elsewhere with a warning; links to folders are not
    followed.

    Raises:
        NotFoundError: there is no such folder, or a link in it leads nowhere.
        UsageError: it is not a folder.
        AccessError: it cannot be read.
        RefusedError: it holds no model, or too many files for one.
    """
    _check_root(root)
    files: list[ModelFile] = []
    warnings: list[str] = []
    elsewhere: list[str] = []
    pointers: list[str] = []
    try:
        for path, status in _walk(root, warnings):
            cancel.check()
            if path.is_symlink() and _leads_elsewhere(path, root):
                elsewhere.append(_shown(path.relative_to(root)))
            file = ModelFile(path.relative_to(root).as_posix(), status.st_size)
            files.append(file)
            if _is_lfs_pointer(path, file.bytes):
                pointers.append(file.path)
            if len(files) > _MOST_FILES:
                raise RefusedError(
                    f"{root} holds more than {_MOST_FILES:,} files, which no model does.",
                    fix="Name the model's folder.",
                )
    except OSError as error:
        raise _unreadable(root, error) from error
    if elsewhere:
        more = f" and {len(elsewhere) - 1} more" if len(elsewhere) > 1 else ""
        warnings.append(f"{elsewhere[0]}{more} lead out of the folder as links: what is there is packaged.")
    by_path = tuple(sorted(files, key=lambda file: file.path))
    return FolderListing(by_path, tuple(warnings), tuple(sorted(pointers)))


def read_small(root: Path, path: str, *, limit: int) -> bytes:
    """Return the content of a file of the model of at most `limit` bytes.

    Raises:
        SagewizardError: it is larger, or cannot be read.
    """
    try:
        with (root / path).open("rb") as file:
            body = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(root / path, error) from error
    if len(body) > limit:
        raise SagewizardError(
            f"{path} of {root} is larger than {format_bytes(limit)}.", fix="It is no config: look at what it holds."
        )
    return body


def read_part(root: Path, path: str, begin: int, length: int) -> bytes:
    """Return `length` bytes of a file of the model from position `begin` on; fewer at its end.

    Raises:
        SagewizardError: it cannot be read.
    """
    try:
        with (root / path).open("rb") as file:
            file.seek(begin)
            return file.read(length)
    except OSError as error:
        raise _unreadable(root / path, error) from error


def _check_root(root: Path) -> None:
    try:
        status = root.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{root} is a file, not a folder.", fix="Name the folder that holds the model's files.")
        names = [entry.name for entry in os.scandir(root)]
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no folder {root}.", fix="Check the path.") from error
    except OSError as error:
        raise _unreadable(root, error) from error
    if not names:
        raise RefusedError(f"{root} is empty.", fix=_EXPECTED)
    if any(name in layout.MARKS for name in names) or _holds_gguf(root):
        return
    told = [name.encode(errors="replace").decode() for name in names]
    raise known_otherwise(str(root), told) or RefusedError(
        f"{root} holds no model: there is no config.json in it.", fix=_EXPECTED
    )


def _holds_gguf(root: Path) -> bool:
    """Return whether there is a GGUF file below `root`, in whatever folder; of a large one the start is looked at."""
    seen = 0
    for _, folders, names in os.walk(root, followlinks=False):
        if layout.gguf_files([name for name in names if not _hidden(name)]):
            return True
        seen += len(names) + len(folders)
        if seen > _MOST_FILES:
            return False
        folders[:] = sorted(name for name in folders if not _hidden(name))
    return False


def _walk(root: Path, warnings: list[str]) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files below `root` with what they are behind links; tell of what is left out in `warnings`."""
    for folder, folders, names in os.walk(root, followlinks=False, onerror=_raise):
        here = Path(folder)
        kept = sorted(name for name in folders if not _hidden(name))
        links = [_shown((here / name).relative_to(root)) for name in kept if (here / name).is_symlink()]
        warnings += [f"{link} is a link to a folder, and is left out." for link in links]
        folders[:] = [name for name in kept if not (here / name).is_symlink()]
        for name in sorted(names):
            path = here / name
            if _hidden(name):
                continue
            try:
                status = path.stat()
            except FileNotFoundError as error:
                raise NotFoundError(
                    f"{_shown(path)} is a link to a file that is not there.",
                    fix="Fetch the file again, or remove the link.",
                ) from error
            if stat.S_ISREG(status.st_mode):
                yield path, status
            else:
                warnings.append(f"{_shown(path.relative_to(root))} is not a plain file, and is left out.")


def _is_lfs_pointer(path: Path, size: int) -> bool:
    """Return whether a file is what `git clone` leaves without Git LFS; of one that may not be read, nobody knows."""
    if not as_small_as_a_pointer(size):
        return False
    with contextlib.suppress(PermissionError), path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER
    return False


def _leads_elsewhere(link: Path, root: Path) -> bool:
    """Return whether a link leads out of the folder, and not to where the Hub's cache keeps what it links to."""
    target, inside = link.resolve(), root.resolve()
    blobs = inside.parent.parent / "blobs"  # of …/snapshots/COMMIT
    return not target.is_relative_to(inside) and not target.is_relative_to(blobs)


def _shown(path: Path) -> str:
    """Return a path as it can be shown: names on a disk may hold anything."""
    return clean_line(str(path).encode(errors="replace").decode())


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def _raise(error: OSError) -> None:
    raise error


def _unreadable(path: Path, error: OSError) -> SagewizardError:
    if isinstance(error, PermissionError):
        return AccessError(f"{error.filename or path} may not be read.", fix="Check its permissions.")
    return SagewizardError(f"{error.filename or path} cannot be read: {error.strerror}.", fix="Check the disk.")
