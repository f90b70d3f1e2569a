"""A file on this machine that is read while nothing may write to it: whether something did is looked at."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.errors import AccessError, NotFoundError, SagewizardError


class FileState(NamedTuple):
    """Which file it is, how large, and when it was written to last, in nanoseconds."""

    device: int
    inode: int
    bytes: int
    written: int


@contextmanager
def watched(path: Path, expected: FileState | None = None) -> Iterator[tuple[BinaryIO, FileState]]:
    """Give the open file and its state, which has to stay what it is until the end; `expected` is what it was before.

    Raises:
        NotFoundError: it is not there.
        AccessError: it may not be read.
        SagewizardError: it changed, or cannot be read.
    """
    gone = NotFoundError(f"{path} is not there any more.", fix="Run the command again, with the file in its place.")
    try:
        if not path.is_file():  # a pipe in its place would block when opened
            raise gone
        with path.open("rb") as file:
            state = _state(file)
            _refuse_other(path, expected or state, state)
            yield file, state
            _refuse_other(path, state, _state(file))
    except FileNotFoundError as error:
        raise gone from error
    except PermissionError as error:
        raise AccessError(f"{path} may not be read.", fix="Check its permissions.") from error
    except OSError as error:
        raise SagewizardError(f"{path} cannot be read: {error.strerror or error}.", fix="Check the disk.") from error


def _state(file: BinaryIO) -> FileState:
    found = os.fstat(file.fileno())
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _refuse_other(path: Path, expected: FileState, found: FileState) -> None:
    if found != expected:
        raise SagewizardError(f"{path} changed while it was being packaged.", fix="Try again when it is finished.")
