"""The artifact as a folder: the same tree, uncompressed."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from core.artifacts.archive import Packed, PackedFile
from core.artifacts.counter import Counter
from core.artifacts.reading import Piece, read_ahead
from core.artifacts.staging import staged
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.errors import SagewizardError, UsageError
from core.throttle import Throttle


def write_folder(
    members: Iterable[Member],
    path: Path,
    *,
    cancel: CancelToken,
    packed: Counter | None = None,
    throttle: Throttle | None = None,
) -> Packed:
    """Write `members` as files below `path`, all of them or none.

    `packed` counts the members' bytes. `throttle` slows the reading down.

    Raises:
        UsageError: `path` is a file, or a folder that holds something.
        SagewizardError: a member cannot be read or changed, or the disk is full.
        CancelledByUser: stopping was asked for.
    """
    members = tuple(members)
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise UsageError(f"{path} is there already and not an empty folder.", fix="Name another path.")
    counter = packed or Counter(members)
    listing = hashlib.sha256()
    with staged(path) as temporary:
        temporary.mkdir()
        with closing(read_ahead(members, cancel=cancel, throttle=throttle, arriving=counter.ahead)) as pieces:
            for member in members:
                target = temporary / member.path
                if not target.resolve().is_relative_to(temporary.resolve()):  # the tree refuses such names
                    raise SagewizardError(f"{member.path} would lie outside the artifact.")
                target.parent.mkdir(parents=True, exist_ok=True)
                listing.update(f"{_write(pieces, target, member.path, counter)}  {member.path}\n".encode())
        cancel.check()
    files = tuple(PackedFile(member.path, member.bytes) for member in members)
    return Packed(path, sum(file.bytes for file in files), listing.hexdigest(), files)


def _write(pieces: Iterator[Piece], target: Path, path: str, counter: Counter) -> str | None:
    """Write one member's pieces, and return the digest of its content."""
    with target.open("xb") as file:
        for piece in pieces:
            file.write(piece.data)
            counter.add(len(piece.data), path)
            if piece.last:
                break
        file.flush()
        os.fsync(file.fileno())
    return piece.sha256
