"""Files that must not be packaged, whatever else is right with a model."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from core.errors import RefusedError
from core.external_text import clean_line
from core.models.facts import ModelFacts
from core.models.reference import FolderReference, ModelReference, SampleReference

# Git LFS, docs/spec.md: this line first, and less than 1,024 bytes in all.
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
"""How the file begins that Git LFS puts in the place of a large one."""
_LONGEST_LFS_POINTER: Final = 1024


def as_small_as_a_pointer(size: int) -> bool:
    """Whether a file of `size` bytes may be a pointer of Git LFS: others need not be opened to know."""
    return len(LFS_POINTER) < size < _LONGEST_LFS_POINTER


def refuse_unusable_files(paths: Iterable[str], facts: ModelFacts) -> None:
    """Return when all of `paths`, files of the model that are to be packaged, may be.

    Raises:
        RefusedError: the Hub's scans call one unsafe, or one is but a pointer to the real file.
    """
    wanted = list(paths)
    if unsafe := [path for path in wanted if path in facts.unsafe_files]:
        raise RefusedError(
            f"The Hub's scans call {listed(unsafe)} of {facts.reference} unsafe: loading it may run code of somebody "
            "else's.",
            fix="Choose a model with safetensors weights, or another revision of this one.",
        )
    refuse_lfs_pointers(wanted, facts.lfs_pointers, facts.reference)


def refuse_lfs_pointers(paths: Iterable[str], pointers: Collection[str], reference: ModelReference) -> None:
    """Return when none of `paths`, files that are needed, is among the `pointers` of a model folder.

    Raises:
        RefusedError: one is.
    """
    found = [path for path in paths if path in pointers]
    if not found:
        return
    what = "is a pointer of Git LFS, not the file itself" if len(found) == 1 else "are pointers of Git LFS, not files"
    raise RefusedError(f"{listed(found)} of {reference} {what}.", fix=f"Run `git lfs pull` in {_folder(reference)}.")


def listed(paths: list[str]) -> str:
    """Return the first of `paths`, and how many there are more, fit to be shown."""
    shown = ", ".join(clean_line(path)[:120] for path in paths[:3])  # an index may name anything
    return f"{shown} and {len(paths) - 3} more" if len(paths) > 3 else shown


def _folder(reference: ModelReference) -> Path | str:
    return reference.path if isinstance(reference, FolderReference | SampleReference) else "its folder"
