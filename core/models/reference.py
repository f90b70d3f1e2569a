"""Model references: the words a person uses to say which model they mean.

`org/name[@revision]` on the Hub, a local folder, a prefix in S3 (`s3://bucket/prefix/`), or `sample` for the model that
comes with the program. A folder wins over the Hub only when it is written as a path (`./name`, `/abs`, `~`): `org/name`
always means the Hub.
"""

import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from core.errors import UsageError
from core.external_text import clean_line
from core.models.paths import path_fault

SAMPLE = "sample"
"""The reference of the bundled tiny GPT-Neo."""

# https://huggingface.co/docs/hub/repositories: letters, digits, `-`, `_`, `.`; no `--` or `..`; at most 96 characters.
_REPOSITORY = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)?(?<![.-])", re.ASCII)
_REVISION = re.compile(r"[\w./-]{1,255}", re.ASCII)
_S3 = "s3://"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html: 3 to 63 lower-case letters, digits, `.`
# and `-`, a letter or digit at both ends, no two dots in a row, no IP address.
_BUCKET = re.compile(r"(?!.*\.\.)(?!\d+(?:\.\d+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


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


@dataclass(frozen=True, slots=True)
class S3Reference:
    """A model whose files are the objects in S3 below a prefix.

    `prefix` has no slash at its beginning and one at its end; it is empty when the model is the whole bucket.
    """

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{_S3}{self.bucket}/{self.prefix}"

    @property
    def short_name(self) -> str:
        """The last part of the prefix, or the bucket's name."""
        return self.prefix.rstrip("/").rsplit("/", 1)[-1] or self.bucket


ModelReference = HubReference | FolderReference | SampleReference | S3Reference


def parse_reference(text: str) -> ModelReference:
    """Return the reference that `text` spells.

    Raises:
        UsageError: it is neither a path, nor `sample`, nor the name of a repository, nor a prefix in S3.
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
        try:
            path = Path(text).expanduser()
        except (RuntimeError, ValueError) as error:  # somebody without a home, a name that nobody has
            raise UsageError(f"“{clean_line(text)[:120]}” names no folder.", fix="Write the whole path.") from error
        return FolderReference(Path(os.path.abspath(path)))  # noqa: PTH100 - keep links as written
    if text.startswith(_S3):
        return _parse_s3(text)
    text = text.removeprefix("https://huggingface.co/").rstrip("/")
    repository, _, revision = text.partition("@")
    if (
        not _REPOSITORY.fullmatch(repository)
        or len(repository) > 96
        or ("@" in text and not _REVISION.fullmatch(revision))
    ):
        raise UsageError(
            f"“{clean_line(text)[:120]}” is neither a Hub model nor a folder.",
            fix="Write a Hub model as org/name or org/name@revision, and a folder as a path: ./name or /path/to/it.",
        )
    return HubReference(repository, revision or None)


def _parse_s3(text: str) -> S3Reference:
    bucket, _, prefix = text.removeprefix(_S3).partition("/")
    shown = clean_line(text)[:120]
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(
            f"“{shown}” does not begin with the name of a bucket.",
            fix="Write s3://bucket/prefix/; a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens.",
        )
    if not prefix:
        return S3Reference(bucket)
    prefix = prefix.removesuffix("/")
    fault = "it has empty parts" if "" in prefix.split("/") else path_fault(prefix)
    if fault:
        raise UsageError(
            f"“{shown}” is no prefix that a model can be read from: {fault}.",
            fix="Write s3://bucket/prefix/ with the prefix as `aws s3 ls` shows it.",
        )
    return S3Reference(bucket, f"{prefix}/")
