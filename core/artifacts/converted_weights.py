"""The content of a safetensors file that is made of pickled weights while it is read, without a copy of its own.

The checkpoint lies on the disk meanwhile: where it was found, or fetched when it is first asked for. Any stretch of the
safetensors file is put together from it.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.artifacts.checkpoint_study import CheckpointStudy, conversion_as_studied
from core.artifacts.conversion import Conversion
from core.artifacts.reading import Arriving, read_ahead
from core.artifacts.shelf import Place, Shelf
from core.artifacts.staging import staged
from core.artifacts.watched_file import FileState, watched
from core.cancellation import CancelToken
from core.models.content import ContentCheck
from core.models.facts import ModelFile
from core.throttle import Throttle

_WINDOW_BYTES: Final = 32 * 2**20
"""Of a checkpoint that is fetched no more is held in memory; whoever reads the artifact holds as much and more."""


@dataclass(frozen=True, slots=True)
class CheckpointAtHand:
    """A checkpoint that was seen to be the right one: its file, and how it becomes safetensors."""

    path: Path
    state: FileState
    conversion: Conversion


class ConvertedWeights:
    """What `study` says that a checkpoint becomes; see `Content`. `name` is what it is called in errors.

    Unless the checkpoint lies on this machine already it is kept as `target`, for as long as `shelf` has room for it.
    `throttle` slows the fetching of it down; `arriving` is told of what is there as so much of what it becomes.
    """

    def __init__(
        self,
        name: str,
        study: CheckpointStudy,
        target: Path,
        shelf: Shelf[CheckpointAtHand],
        *,
        throttle: Throttle | None,
        arriving: Arriving,
    ) -> None:
        self._name, self._study, self._target = name, study, target
        self._shelf, self._throttle = shelf, throttle
        self._arriving, self._told = arriving, 0
        room = 0 if study.path else study.checkpoint.bytes
        self._place: Place[CheckpointAtHand] = Place(room, self._provide, self._clear)

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        """Yield `length` bytes from `start` on; the checkpoint is fetched where it is not there.

        Raises:
            RefusedError: it is damaged in a place that was not looked at before.
            SagewizardError: it is not what was listed, changed meanwhile, or cannot be read or kept.
            CancelledByUser: stopping was asked for.
        """
        with self._shelf.using(self._place, cancel) as ready, watched(ready.path, ready.state) as (file, _):
            yield from ready.conversion.read_part(file.fileno(), start, length, cancel)

    def check(self) -> ContentCheck:
        """Return a check of the size; what it is made of was checked before."""
        return ContentCheck(ModelFile(self._name, self._study.file_bytes), self._name, "Run the command again.")

    def release(self) -> None:
        """Remove the checkpoint, if it was fetched."""
        self._shelf.release(self._place)

    def _provide(self, cancel: CancelToken) -> CheckpointAtHand:
        return self._found(self._study.path, cancel) if self._study.path else self._fetch(cancel)

    def _found(self, path: Path, cancel: CancelToken) -> CheckpointAtHand:
        checkpoint = self._study.checkpoint
        origin = checkpoint.origin
        with watched(path, self._study.state) as (file, state):
            if origin is None or origin.sha256 or origin.git_sha1:
                for _ in checkpoint.chunks(cancel):  # its digest is compared after the last one
                    pass
            conversion = conversion_as_studied(self._study, file, cancel)
        self._tell(checkpoint.bytes)
        return CheckpointAtHand(path, state, conversion)

    def _fetch(self, cancel: CancelToken) -> CheckpointAtHand:
        checkpoint, lock, passed = self._study.checkpoint, threading.Lock(), 0

        def came(count: int, _path: str) -> None:
            nonlocal passed
            with lock:
                passed += count
                self._tell(passed)

        pieces = read_ahead(
            (checkpoint,), cancel=cancel, throttle=self._throttle, window_bytes=_WINDOW_BYTES, arriving=came
        )
        with closing(pieces), staged(self._target) as temporary, temporary.open("xb") as written:
            for piece in pieces:
                written.write(piece.data)
        try:
            with watched(self._target) as (file, state):
                return CheckpointAtHand(self._target, state, conversion_as_studied(self._study, file, cancel))
        except BaseException:
            _remove(self._target)
            raise

    def _tell(self, passed: int) -> None:
        """Tell how much of the checkpoint is there, as a share of what it becomes, if it is more than ever before."""
        share = self._study.file_bytes * passed // self._study.checkpoint.bytes
        if share > self._told:
            self._arriving(share - self._told, self._name)
            self._told = share

    def _clear(self, ready: CheckpointAtHand) -> None:
        if not self._study.path:
            _remove(ready.path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # what cannot be removed now goes with the folder
        path.unlink(missing_ok=True)
