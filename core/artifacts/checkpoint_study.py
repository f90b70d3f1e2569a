"""What pickled weights become as safetensors, known before the weights are fetched: to the byte, but for their values.

A checkpoint that is far away is asked for its beginning and its end only. One that lies on this machine is looked at
where it lies.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from core.artifacts.conversion import Conversion, lay_out
from core.artifacts.pickled_weights import read_pickled_weights
from core.artifacts.ranged_file import open_ranged
from core.artifacts.tree import Member
from core.artifacts.watched_file import FileState, watched
from core.cancellation import CancelToken
from core.errors import SagewizardError
from core.models.content import Content

_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class CheckpointStudy:
    """A checkpoint, and what it becomes: the head of the safetensors file, its size, and the tensors' names and size.

    `copies` is whether tied weights are written for each name. `path` is where the checkpoint lies on this machine, if
    it does, and `state` which file that was.
    """

    checkpoint: Member
    copies: bool
    head: bytes
    file_bytes: int
    names: tuple[str, ...]
    tensor_bytes: int
    path: Path | None = None
    state: FileState | None = None


def local_path(content: Content) -> Path | None:
    """Return where a content lies as a file on this machine, `None` where it comes from elsewhere."""
    path = getattr(content, "path", None)
    return path if isinstance(path, Path) else None


def study_checkpoints(checkpoints: Sequence[tuple[Member, bool]], cancel: CancelToken) -> tuple[CheckpointStudy, ...]:
    """Return what checkpoints become, in their order; with each comes whether its tied weights are all written.

    Raises:
        RefusedError: one asks to run something, is damaged, or cannot be held by safetensors.
        SagewizardError: one cannot be read, or is not as large as it was listed.
        CancelledByUser: stopping was asked for.
    """
    one_at_a_time = threading.Lock()  # a pickle made to break its reader may take some 300 MB

    def study(each: tuple[Member, bool]) -> CheckpointStudy:
        checkpoint, copies = each
        return _study(checkpoint, copies, one_at_a_time, cancel)

    with ThreadPoolExecutor(_AT_ONCE, "checkpoint-study") as pool:
        return tuple(pool.map(study, checkpoints))


def conversion_as_studied(study: CheckpointStudy, file: BinaryIO, cancel: CancelToken) -> Conversion:
    """Return how the whole checkpoint, which is at hand now as `file`, becomes what the study said it would.

    Raises:
        RefusedError: it is damaged where the study did not look.
        SagewizardError: it is another one than was studied.
        CancelledByUser: stopping was asked for.
    """
    checkpoint = study.checkpoint
    tensors = read_pickled_weights(file, checkpoint.bytes, label=checkpoint.path, cancel=cancel)
    found = lay_out(tensors, checkpoint.bytes, copies=study.copies, label=checkpoint.path)
    if found.head != study.head:
        raise SagewizardError(
            f"{checkpoint.path} changed while it was being packaged: it holds other tensors than it told of.",
            fix="Try again when it is finished.",
        )
    return found


def _study(checkpoint: Member, copies: bool, one_at_a_time: threading.Lock, cancel: CancelToken) -> CheckpointStudy:
    path, size = local_path(checkpoint.content), checkpoint.bytes

    def studied(file: BinaryIO, state: FileState | None) -> CheckpointStudy:
        with one_at_a_time:
            tensors = read_pickled_weights(file, size, label=checkpoint.path, cancel=cancel, whole=state is not None)
            found = lay_out(tensors, size, copies=copies, label=checkpoint.path)
        names = tuple(sorted(tensor.name for tensor in found.tensors))
        return CheckpointStudy(checkpoint, copies, found.head, found.file_bytes, names, found.tensor_bytes, path, state)

    if path is not None:
        with watched(path) as (file, state):
            if state.bytes != size:
                raise SagewizardError(
                    f"{path} has {state.bytes:,} bytes instead of {size:,}.",
                    fix="It changed since it was looked at: make the plan anew.",
                )
            return studied(file, state)
    with open_ranged(checkpoint.content, size, cancel) as file:
        for place in (max(0, size - 1), 0):  # fetched here, so that the others' need not wait for them
            file.seek(place)
            file.read(1)
        return studied(file, None)
