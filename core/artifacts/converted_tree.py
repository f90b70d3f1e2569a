"""An artifact's members with the pickled weights among them turned into safetensors, file by file."""

import json
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from core.artifacts.conversion import Converted, convert
from core.artifacts.staging import staged
from core.artifacts.tree import CODE_FOLDER, Member, PacedProgress, Progress
from core.cancellation import CancelToken
from core.errors import RefusedError, SagewizardError, UsageError
from core.external_text import clean_line
from core.models.layout import CONFIG, WeightName, weight_name
from core.models.paths import refuse_odd_paths
from core.quantities import format_bytes

_INDEX: Final = re.compile(
    r"(?P<stem>model|pytorch_model|diffusion_pytorch_model)(?:\.(?P<variant>\w{1,20}))?\.bin\.index"
    r"(?:\.(?P<late>\w{1,20}))?\.json"
)
_LARGEST_CONFIG: Final = 4 * 2**20
_PIECE: Final = 2**20


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
    """Return the disk space that `converted_members` needs: the weights converted, and the largest file of them."""
    sizes = [member.bytes for member in members if _pickled(member.path)]
    return int(sum(sizes) * 1.02) + max(sizes, default=0)


def converted_members(
    members: Sequence[Member], folder: Path, *, progress: Progress, cancel: CancelToken
) -> tuple[Member, ...]:
    """Return the members with safetensors in the place of pickled weights, and indexes that name them.

    What is converted is kept in `folder`, which is there and empty, for as long as the members are read. Each pickle
    is fetched into it, seen to be what its source states, converted and removed before the next. `progress` counts the
    bytes of the pickles.

    Raises:
        RefusedError: a pickle asks to run something, holds other things than weights, or the disk has not enough room.
        SagewizardError: a file cannot be read, or is not what its source states.
        CancelledByUser: stopping was asked for.
    """
    _refuse_full_disk(members, folder)
    pickles = [member for member in members if _pickled(member.path)]
    paced = PacedProgress(  # half of it is fetching, half converting
        lambda done, total: progress(done // 2, total // 2), 2 * sum(member.bytes for member in pickles)
    )
    untied = {place: _never_tied(members, place, cancel) for place in {_folder(member.path) for member in pickles}}
    made: dict[str, Converted] = {}
    added = []
    for number, member in enumerate(pickles):
        fetched, target = folder / f"{number}.bin", folder / f"{number}.safetensors"
        _fetch(member, fetched, paced, cancel)
        made[member.path] = convert(
            fetched,
            target,
            cancel=cancel,
            progress=paced.add,
            copies=untied[_folder(member.path)],
            label=member.path,
        )
        fetched.unlink()
        added.append(Member(converted_path(member.path), made[member.path].bytes, partial(_read, target)))
    paced.finish()
    indexes = [member for member in members if _index(member.path)]
    added += [index for member in indexes if (index := _converted_index(member.path, made))]
    gone = {member.path for member in (*pickles, *indexes)}
    found = [*(member for member in members if member.path not in gone), *added]
    refuse_odd_paths((member.path for member in found), "The artifact")
    return tuple(sorted(found, key=lambda member: member.path))


def _weights(path: str) -> WeightName | None:
    name = weight_name(path.rpartition("/")[2])
    return name if name and name.format == "pytorch" and not path.startswith(f"{CODE_FOLDER}/") else None


def _pickled(path: str) -> bool:
    return _weights(path) is not None


def _index(path: str) -> re.Match[str] | None:
    return None if path.startswith(f"{CODE_FOLDER}/") else _INDEX.fullmatch(path.rpartition("/")[2])


def _refuse_full_disk(members: Iterable[Member], folder: Path) -> None:
    needed, free = conversion_bytes(members), shutil.disk_usage(folder).free
    if free < needed:
        raise RefusedError(
            f"Converting the weights needs {format_bytes(needed)} of disk space, and {format_bytes(free)} is free.",
            fix="Make room, or point SAGEWIZARD_HOME at a larger disk.",
        )


def _fetch(member: Member, target: Path, paced: PacedProgress, cancel: CancelToken) -> None:
    with staged(target) as temporary, temporary.open("xb") as file:
        for piece in member.chunks(cancel):
            file.write(piece)
            paced.add(len(piece))


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


def _converted_index(path: str, made: dict[str, Converted]) -> Member | None:
    """Return the index of the shards that the index at `path` was of; `None` where none of them are packaged."""
    named = _index(path)
    if named is None:
        return None
    places: dict[str, str] = {}
    total = 0
    for pickle, converted in made.items():
        name = _weights(pickle)
        if name is None or name.number is None or _folder(pickle) != _folder(path):
            continue
        if (name.stem, name.variant) != (named["stem"], named["variant"] or named["late"]):
            continue
        if twice := next((tensor for tensor in converted.names if tensor in places), None):
            raise RefusedError(
                f"“{clean_line(twice)[:120]}” is in two of the files that {path} lists.",
                fix="Choose a model with safetensors weights.",
            )
        places.update(dict.fromkeys(converted.names, converted_path(pickle).rpartition("/")[2]))
        total += converted.tensor_bytes
    if not places:
        return None
    document: dict[str, Any] = {"metadata": {"total_size": total}, "weight_map": places}
    content = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
    return Member(converted_path(path), len(content), partial(_held, content))


def _read(path: Path, cancel: CancelToken) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                cancel.check()
                yield piece
    except FileNotFoundError as error:
        raise SagewizardError(
            f"{path} is gone: something removed it while it was packaged.", fix="Run the command again."
        ) from error


def _held(content: bytes, cancel: CancelToken) -> Iterator[bytes]:
    cancel.check()
    yield content
