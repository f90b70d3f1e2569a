"""The artifact's tree: the model's files at its root, the inference template's under `code/`.

What the tree is written to (an archive, a folder, a prefix in S3) does not matter here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.cancellation import CancelToken
from core.models.content import Content, HeldContent, whole
from core.models.facts import LeftOut, ModelFile
from core.models.paths import refuse_odd_paths
from core.models.sources import FileSource
from core.serving.templates import InferenceTemplate

CODE_FOLDER = "code"
"""Where the container's toolkit looks for `inference.py`."""
_CACHES = {"__pycache__", "__MACOSX"}

Chunks = Iterator[bytes]
"""A file's content, in pieces of any size."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an artifact: its path (`/` between parts), its size, and its content.

    `origin` is the model's file that it is, with what is known of its content; `None` for what is made here: the
    template's code, weights that were converted.
    """

    path: str
    bytes: int
    content: Content
    origin: ModelFile | None = None

    def chunks(self, cancel: CancelToken) -> Chunks:
        """Return the whole content in pieces, seen to be what is known of it once the last piece has passed.

        Raises:
            SagewizardError: it cannot be read, or it is not what was listed: it changed since, or was damaged.
            CancelledByUser: stopping was asked for.
        """
        return whole(self.content, self.bytes, cancel)


def what_goes_in(files: Iterable[ModelFile]) -> tuple[tuple[ModelFile, ...], tuple[LeftOut, ...]]:
    """Return which of a model's `files` belong in its artifact, and which do not and why.

    Hidden files, caches, and a `code/` of the model's own (the template's takes its place) are left out.
    """
    kept, left_out = [], []
    for file in files:
        if reason := _reason_to_leave(file.path.split("/")):
            left_out.append(LeftOut(file, reason))
        else:
            kept.append(file)
    return tuple(kept), tuple(left_out)


def artifact_tree(files: Iterable[ModelFile], source: FileSource, template: InferenceTemplate) -> tuple[Member, ...]:
    """Return the artifact's members, sorted by path: `files` as `source` reads them, and `template` under `code/`.

    Raises:
        RefusedError: a name leads out of the tree, cannot be a file's name everywhere, or is there twice.
    """
    kept, _ = what_goes_in(files)
    members = [Member(file.path, file.bytes, source.content(file), file) for file in kept]
    members += [
        Member(path := f"{CODE_FOLDER}/{file.path}", len(file.content), HeldContent(path, file.content))
        for file in template.files
    ]
    refuse_odd_paths((member.path for member in members), "The artifact")
    return tuple(sorted(members, key=lambda member: member.path))


def _reason_to_leave(parts: list[str]) -> str | None:
    if parts[0] == CODE_FOLDER and len(parts) > 1:
        return "the artifact's code/ comes from the inference template"
    if any(part.startswith(".") and part not in {".", ".."} for part in parts):
        return "hidden"
    return "a cache" if _CACHES & set(parts) else None
