"""Writing to a temporary neighbour first, so that nothing half-made ever bears the final name."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from core.errors import NotFoundError, SagewizardError, UsageError


@contextlib.contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give a free path beside `target` to write to; on success it is renamed onto `target`, otherwise removed.

    Raises:
        NotFoundError: the folder that `target` is to lie in does not exist.
        UsageError: `target` is there already and cannot be replaced.
        SagewizardError: the disk is full, or may not be written to.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        raise NotFoundError(f"The folder {target.parent} does not exist.", fix="Make it first, or name another.")
    temporary = target.parent / f".{target.name[:100]}.{secrets.token_hex(4)}.part"
    try:
        yield temporary
        temporary.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # a file system that is read-only refuses even what is absent
                temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last through a crash, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _explained(error: OSError, target: Path) -> SagewizardError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return SagewizardError(
            f"The disk that {target.parent} is on is full; nothing was left behind.",
            fix="Make room there, or write to another disk.",
        )
    if error.errno == errno.EFBIG:
        return SagewizardError(
            f"The file system that {target.parent} is on cannot hold a file that large; nothing was left behind.",
            fix="Write to another disk.",
        )
    if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR}:
        return UsageError(f"{target} is there already.", fix="Name another path, or remove it first.")
    return SagewizardError(f"{target} cannot be written: {error.strerror or error}.", fix="Name another path.")
