"""Model references: the words a person uses to say which model they mean.

`org/name[@revision]` on the Hub, a local folder, or `sample` for the model that comes with the program. A folder wins
over the Hub only when it is written as a path (`./name`, `/abs`, `~`): `org/name` always means the Hub.
"""

import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from core.errors import UsageError

SAMPLE = "sample"
"""The reference of the bundled tiny GPT-Neo."""

# https://huggingface.co/docs/hub/repositories: letters, digits, `-`, `_`, `.`; no `--` or `..`; at most 96 characters.
_REPOSITORY = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)?(?<![.-])", re.ASCII)
_REVISION = re.compile(r"[\w./-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubReference:
    """A repository on the Hub at a revision (branch, tag or commit); `None` means its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository

    @property
    def short_name(self) -> str:
        """The repository's name without its owner."""
        return self.repository.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class FolderReference:
    """A model in a folder of this machine, as an absolute path."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def short_name(self) -> str:
        """The folder's name."""
        return self.path.name or "model"


@dataclass(frozen=True, slots=True)
class SampleReference:
    """The model that comes with the program."""

    def __str__(self) -> str:
        return SAMPLE

    @property
    def short_name(self) -> str:
        """The word it is asked for by."""
        return SAMPLE

    @property
    def path(self) -> Path:
        """The folder it is installed in."""
        return Path(str(files("core.models"))) / "sample"


ModelReference = HubReference | FolderReference | SampleReference


def parse_reference(text: str) -> ModelReference:
    """Return the reference that `text` spells.

    Raises:
        UsageError: it is neither a path, nor `sample`, nor the name of a repository.
    """
    text = text.strip()
    if not text:
        raise UsageError("No model was named.", fix="Give a Hub name such as EleutherAI/gpt-neo-125m, or a folder.")
    if text == SAMPLE:
        return SampleReference()
    if any("\ud800" <= character <= "\udfff" for character in text):  # what Python makes of bytes that are not UTF-8
        raise UsageError(
            "The name of the model is not in UTF-8, which plans and records are.",
            fix="Rename the folder, or link to it.",
        )
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."}:
        return FolderReference(Path(os.path.abspath(Path(text).expanduser())))  # noqa: PTH100 - keep links as written
    text = text.removeprefix("https://huggingface.co/").rstrip("/")
    repository, _, revision = text.partition("@")
    if (
        not _REPOSITORY.fullmatch(repository)
        or len(repository) > 96
        or ("@" in text and not _REVISION.fullmatch(revision))
    ):
        raise UsageError(
            f"“{text}” is neither a Hub model nor a folder.",
            fix="Write a Hub model as org/name or org/name@revision, and a folder as a path: ./name or /path/to/it.",
        )
    return HubReference(repository, revision or None)
