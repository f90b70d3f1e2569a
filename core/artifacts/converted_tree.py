"""An artifact's members with the pickled weights among them turned into safetensors, file by file."""

import json
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from core.artifacts.checkpoint_study import CheckpointStudy, local_path, study_checkpoints
from core.artifacts.converted_weights import CheckpointAtHand, ConvertedWeights
from core.artifacts.reading import Arriving
from core.artifacts.shelf import Shelf
from core.artifacts.tree import CODE_FOLDER, Member
from core.cancellation import CancelToken
from core.errors import RefusedError, UsageError
from core.external_text import clean_line
from core.models.content import HeldContent
from core.models.layout import CONFIG, WeightName, weight_name
from core.models.paths import refuse_odd_paths
from core.quantities import format_bytes
from core.throttle import Throttle

_INDEX: Final = re.compile(
    r"(?P<stem>model|pytorch_model|diffusion_pytorch_model)(?:\.(?P<variant>\w{1,20}))?\.bin\.index"
    r"(?:\.(?P<late>\w{1,20}))?\.json"
)
_LARGEST_CONFIG: Final = 4 * 2**20


def pickled_files(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of `paths`, files of an artifact, that are pickled weights."""
    return tuple(path for path in paths if _pickled(path))


def refuse_nothing_to_convert(paths: Collection[str], model: str) -> None:
    """Return when some of `paths`, the files of `model` that are packaged, are pickled weights.

    Raises:
        UsageError: none is.
    """
    if not pickled_files(paths):
        raise UsageError(
            f"There is nothing to convert: the weights of {clean_line(model)} are no pickles (.bin).",
            fix="Leave --convert-weights out, or artifact.convert of the plan.",
        )


def converted_path(path: str) -> str:
    """Return the path that pickled weights, or the index of their shards, have as safetensors.

    It is where the libraries look: `pytorch_model` is called `model` there, the other stems stay.
    """
    folder, slash, name = path.rpartition("/")
    head, _, tail = name.rpartition(".bin")
    if head.startswith("pytorch_model"):
        head = head.removeprefix("pytorch_")
    return f"{folder}{slash}{head}.safetensors{tail}"


def conversion_bytes(members: Iterable[Member]) -> int:
    """Return the disk space in bytes that is needed while `converted_members` are read: the largest pickle.

    The next one is fetched once the last is read and removed. Those that lie on this machine are read where they lie.
    """
    return max((member.bytes for member in members if _fetched(member)), default=0)


def converted_members(
    members: Sequence[Member],
    folder: Path,
    *,
    cancel: CancelToken,
    arriving: Arriving = lambda _count, _path: None,
    throttle: Throttle | None = None,
    disk_bytes: int | None = None,
) -> tuple[Member, ...]:
    """Return the members with safetensors in the place of pickled weights, and indexes that name them.

    Of the pickles no more is read now than what tells of the tensors in them; what is not to be converted is refused
    here. The weights follow when the members are read: each pickle is fetched into `folder`, which is there and empty
    and has to stay, is seen to be what its source states before any of it is passed on, and is removed when the member
    is released, or when another one needs the room. `arriving` is told of what is fetched as so much of what it
    becomes, in the threads that read. `throttle` slows down how they are fetched.

    `disk_bytes` is how much disk may be used, `None` for all that is free.

    Raises:
        RefusedError: a pickle asks to run something, holds other things than weights, or the disk has not enough room
            or may not be used so much.
        SagewizardError: a file cannot be read, or is not what its source states.
        CancelledByUser: stopping was asked for.
    """
    _refuse_disk(members, folder, disk_bytes)
    pickles = [member for member in members if _pickled(member.path)]
    untied = {place: _never_tied(members, place, cancel) for place in {_folder(member.path) for member in pickles}}
    studies = study_checkpoints([(member, untied[_folder(member.path)]) for member in pickles], cancel)
    shelf: Shelf[CheckpointAtHand] = Shelf(conversion_bytes(members))
    added = [
        Member(
            path := converted_path(study.checkpoint.path),
            study.file_bytes,
            ConvertedWeights(path, study, folder / f"{number}.bin", shelf, throttle=throttle, arriving=arriving),
        )
        for number, study in enumerate(studies)
    ]
    indexes = [member for member in members if _index(member.path)]
    added += [index for member in indexes if (index := _converted_index(member.path, studies))]
    gone = {member.path for member in (*pickles, *indexes)}
    found = [*(member for member in members if member.path not in gone), *added]
    refuse_odd_paths((member.path for member in found), "The artifact")
    return tuple(sorted(found, key=lambda member: member.path))


def _weights(path: str) -> WeightName | None:
    name = weight_name(path.rpartition("/")[2])
    return name if name and name.format == "pytorch" and not path.startswith(f"{CODE_FOLDER}/") else None


def _pickled(path: str) -> bool:
    return _weights(path) is not None


def _fetched(member: Member) -> bool:
    """Return whether a member is a pickle that has to be fetched before it can be converted."""
    return _pickled(member.path) and local_path(member.content) is None


def _index(path: str) -> re.Match[str] | None:
    return None if path.startswith(f"{CODE_FOLDER}/") else _INDEX.fullmatch(path.rpartition("/")[2])


def _refuse_disk(members: Iterable[Member], folder: Path, allowed: int | None) -> None:
    needed, free = conversion_bytes(members), shutil.disk_usage(folder).free
    if allowed is not None and needed > allowed:
        raise RefusedError(
            f"Converting the weights needs {format_bytes(needed)} of disk space, and {format_bytes(allowed)} is "
            "allowed.",
            fix="Allow more with --disk, or choose a model with safetensors weights.",
        )
    if free < needed:
        raise RefusedError(
            f"Converting the weights needs {format_bytes(needed)} of disk space, and {format_bytes(free)} is free.",
            fix="Make room, or point SAGEWIZARD_HOME at a larger disk.",
        )


def _folder(path: str) -> str:
    """Return the folder that a file is in, with the slash after it."""
    return path[: path.rfind("/") + 1]


def _never_tied(members: Iterable[Member], folder: str, cancel: CancelToken) -> bool:
    """Return whether the config in a folder says that the library ties no weights by itself when it loads them."""
    config = next((member for member in members if member.path == f"{folder}{CONFIG}"), None)
    if config is None or config.bytes > _LARGEST_CONFIG:
        return False
    content = b"".join(config.chunks(cancel))
    with suppress(ValueError, RecursionError):
        said = json.loads(content)
        parts = [said, said.get("text_config")] if isinstance(said, dict) else []
        return any(isinstance(part, dict) and part.get("tie_word_embeddings") is False for part in parts)
    return False


def _converted_index(path: str, studies: Iterable[CheckpointStudy]) -> Member | None:
    """Return the index of the shards that the index at `path` was of; `None` where none of them are packaged."""
    named = _index(path)
    if named is None:
        return None
    places: dict[str, str] = {}
    total = 0
    for study in studies:
        pickle = study.checkpoint.path
        name = _weights(pickle)
        if name is None or name.number is None or _folder(pickle) != _folder(path):
            continue
        if (name.stem, name.variant) != (named["stem"], named["variant"] or named["late"]):
            continue
        if twice := next((tensor for tensor in study.names if tensor in places), None):
            raise RefusedError(
                f"“{clean_line(twice)[:120]}” is in two of the files that {path} lists.",
                fix="Choose a model with safetensors weights.",
            )
        places.update(dict.fromkeys(study.names, converted_path(pickle).rpartition("/")[2]))
        total += study.tensor_bytes
    if not places:
        return None
    document: dict[str, Any] = {"metadata": {"total_size": total}, "weight_map": places}
    content = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
    target = converted_path(path)
    return Member(target, len(content), HeldContent(target, content))
