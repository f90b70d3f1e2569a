"""Places on this machine where a model may be: the folders that go on from what a person has typed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from core.external_text import clean_line
from core.models import layout

MOST_PLACES: Final = 200
"""Places that are listed at most."""
_MOST_ENTRIES: Final = 10_000
"""Entries of a folder that are looked at, at most."""
_GGUF: Final = ".gguf"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model may be. `text` names it as a person would type it on; it ends in a slash unless it is a model.

    `model` says whether it holds one, `None` where that has not been looked at.
    """

    text: str
    name: str
    model: bool | None


def folders_like(text: str) -> tuple[Place, ...]:
    """Return the folders whose paths begin with `text` (`./mod`, `/data/`, `~`), by name; 200 at most.

    What follows the last slash may be in either case. The folder that is named whole comes first when it holds a model.
    Hidden folders, and those whose names cannot be shown as they are, are left out; what may not be read counts as
    empty.
    """
    if text == "~" or text.rsplit("/", 1)[-1] in {".", ".."}:
        text += "/"
    parent, slash, begun = text.rpartition("/")
    parent += slash
    folder = os.path.expanduser(parent or ".")  # noqa: PTH111 - `Path` raises where there is no such person
    names = sorted(_folders(folder, begun.casefold()), key=lambda name: (name.casefold(), name))[:MOST_PLACES]
    itself = [_place(parent, folder, "")] if not begun and _holds_model(folder) else []
    return (*itself, *(_place(parent, folder, name) for name in names))[:MOST_PLACES]


def _place(parent: str, folder: str, name: str) -> Place:
    model = not name or _holds_model(os.path.join(folder, name))  # noqa: PTH118 - keeps what was typed
    text = parent + name
    if not model:
        return Place(f"{text}/", name, model=False)
    return Place(text.rstrip("/") or "/", name or "this folder", model=True)


def _folders(folder: str, begun: str) -> Iterator[str]:
    for entry in _entries(folder):
        name = entry.name
        if name.startswith(".") or name == "__pycache__" or not name.casefold().startswith(begun):
            continue
        if _showable(name) and _is_folder(entry):
            yield name


def _showable(name: str) -> bool:
    """Return whether a name can be shown and typed as it is."""
    return clean_line(name) == name and not any("\ud800" <= character <= "\udfff" for character in name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle, a share that is gone
        return False


def _holds_model(folder: str) -> bool:
    """Return whether a folder has a file that tells what model it is; a large one is looked at in part."""
    if any(os.path.isfile(os.path.join(folder, mark)) for mark in layout.MARKS):  # noqa: PTH113, PTH118 - never raises
        return True
    return any(entry.name.lower().endswith(_GGUF) for entry in _entries(folder))


def _entries(folder: str) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            yield from islice(entries, _MOST_ENTRIES)
    except (OSError, ValueError):  # it may not be read, or is no folder; no path has a null character
        return
