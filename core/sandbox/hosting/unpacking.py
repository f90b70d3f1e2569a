"""Unpacks a `model.tar.gz` from anybody: nothing outside the folder is touched, and the disk is not filled."""

import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

_RESERVE: Final = 512 * 1024**2
"""Bytes of disk that stay free."""
_MOST_MEMBERS: Final = 100_000
_BUFFER: Final = 1024 * 1024
_LARGEST_HEADER: Final = 1024 * 1024
"""Bytes of a header that says more of the next member, a long name say: tarfile reads it whole into memory."""
_HEADERS: Final = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)


class UnpackError(Exception):
    """The archive is damaged, or holds what must not be unpacked; the text says what."""


def unpack(archive: Path, folder: Path, check: Callable[[], None], *, most_bytes: int | None = None) -> None:
    """Unpack a gzip-compressed tar archive into `folder`.

    Symbolic links are refused, as SageMaker does; so are devices, names that lead out, and more than `most_bytes` bytes
    (what the disk has to spare, when not given). `check` is called often and may raise to stop.

    Raises:
        UnpackError: the archive is not one, is damaged, or is refused.
    """
    from isal import igzip, isal_zlib

    checked: Any  # tarfile reads a stream through `read` alone, which its types do not say
    damaged: Any = isal_zlib.IsalError  # its published type is wrong
    limit = shutil.disk_usage(folder).free - _RESERVE if most_bytes is None else most_bytes
    try:
        with igzip.open(archive, "rb") as stream:
            checked = _Checked(stream, check)
            with tarfile.open(fileobj=checked, mode="r|", bufsize=_BUFFER, tarinfo=_Member) as tar:
                _extract(tar, folder, limit)
    except (tarfile.TarError, EOFError, zlib.error, damaged, OSError, ValueError) as error:
        raise UnpackError(str(error) or type(error).__name__) from error


class _Checked:
    """A stream that asks before every read whether to go on: one member of an archive may unpack to gigabytes."""

    def __init__(self, stream: IO[bytes], check: Callable[[], None]) -> None:
        self._stream = stream
        self._check = check

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._stream.read(size)


class _Member(tarfile.TarInfo):
    """A member whose extra headers are of a size that may be held in memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _LARGEST_HEADER:
            raise tarfile.ReadError(f"it has a header of {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc] # tarfile's own hook for this
        return found


def _extract(tar: tarfile.TarFile, folder: Path, limit: int) -> None:
    count = total = 0
    for member in tar:
        count += 1
        total += max(member.size, 0)
        if member.issym():
            raise UnpackError(f"it contains a symbolic link, {member.name}")
        if count > _MOST_MEMBERS:
            raise UnpackError(f"it has more than {_MOST_MEMBERS} members")
        if total > limit:
            raise UnpackError(f"unpacked it needs more than the {limit} bytes that are free")
        tar.extract(member, folder, set_attrs=False, filter="data")
    if count == 0:
        raise UnpackError("it is empty")
