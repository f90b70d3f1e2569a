"""Names of files that come from elsewhere: which are safe to use as paths below a folder."""

import re
from collections.abc import Iterable
from typing import Final

from core.errors import RefusedError
from core.external_text import clean_line

_LONGEST_PATH: Final = 1024
_LONGEST_PART: Final = 255
_ODD: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def path_fault(path: str) -> str | None:
    """Return what is wrong with `path` as a file's path below a folder, `None` when nothing is."""
    parts = path.split("/")
    if not path or path.endswith("/"):
        return "it names no file"
    if path.startswith("/") or _DRIVE.match(path):
        return "it is absolute"
    if ".." in parts or "." in parts or "" in parts:
        return "it leads out of its folder"
    if _ODD.search(path):
        return "it has control characters or backslashes"
    if len(path.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in parts):
        return "it is too long"
    return None


def refuse_odd_paths(paths: Iterable[str], where: str) -> None:
    """Return when every one of `paths` can be a file in one folder together with the others.

    `where` is whose files they are, for the message.

    Raises:
        RefusedError: a path leads out of the folder, is malformed, or is there twice, as a file or as a folder.
    """
    seen: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        fault = path_fault(path)
        if fault is None and path in seen:
            fault = "it is there twice"
        if fault is not None:
            raise _refusal(path, where, fault)
        seen.add(path)
        parts = path.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    for path in sorted(seen & folders):
        raise _refusal(path, where, "it is both a file and a folder")


def _refusal(path: str, where: str, fault: str) -> RefusedError:
    shown = clean_line(path.encode(errors="replace").decode())[:120] or "(empty)"
    return RefusedError(
        f"{where} has a file with an unusable name, “{shown}”: {fault}.",
        fix="Do not use this model; tell its owner. Nothing was fetched.",
    )
