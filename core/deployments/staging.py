"""Where an archive lies between packaging and upload: a folder of its own that is gone afterwards, kill or no kill."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.folders import cache_folder


@contextmanager
def staging_folder(name: str) -> Iterator[Path]:
    """Give an empty folder called `name` and take it away afterwards.

    Folders that killed runs left behind, which is to say whose lock nobody holds, are removed first.
    """
    root = cache_folder() / "staging"
    root.mkdir(mode=0o700, exist_ok=True)
    _sweep(root)
    folder = root / name
    with FileLock(_lock_of(folder)):
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _sweep(root: Path) -> None:
    for lock in root.glob("*.lock"):
        try:
            with FileLock(lock, timeout=0):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
        except Timeout:
            continue  # in use
