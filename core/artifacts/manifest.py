"""What an artifact in S3 was made of: the manifest that lies beside it, and whether it is the one a plan asks for.

The manifest is written last, so an artifact that has one is whole. Two artifacts are the same when their settings are
(form, template, conversion) and every file has the same content: by the digests that the Hub lists, by the etag of an
object in S3, or, of a local file, by the SHA-256 of what it holds.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from core.models.facts import ModelFile

ArtifactForm = Literal["archive", "prefix"]
"""`archive`: one `model.tar.gz`. `prefix`: the same tree as objects, which SageMaker copies as they are."""

LARGEST_MANIFEST: Final = 64 * 2**20
"""In bytes: more than any listing of files has."""
_VERSION: Final = 1
_FORMAT: Final = 1
"""Raised when the same files would give another artifact than before."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides an artifact's content: the model's files, the template, and how they are put together.

    `source` is where the files are from, without which an etag means nothing: the model's reference. `kms_key` is the
    key that the objects are encrypted with; `None` leaves that to the bucket.
    """

    form: ArtifactForm
    template_sha256: str
    convert: bool
    source: str
    files: tuple[ModelFile, ...]
    kms_key: str | None = None

    @property
    def outline(self) -> str:
        """Sixteen hex digits for what is known without reading a file: settings, names and sizes."""
        files = sorted((file.path, file.bytes) for file in self.files)
        said = json.dumps([_FORMAT, self.form, self.template_sha256, self.convert, self.kms_key, files])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One object of an artifact in S3: its key below the artifact's folder, its size in bytes, and its etag."""

    name: str
    bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies in an artifact's folder, and what it was made of.

    The files of the recipe carry the SHA-256 of what they were seen to hold when they were packed, where that is known.
    """

    recipe: Recipe
    objects: tuple[StoredFile, ...]
    deployment: str
    """The id of the deployment that made it."""
    content: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 (hex) of each of the artifact's files, by path, where it is known."""

    @property
    def digest(self) -> str:
        """The SHA-256 (hex) of sources, template and settings."""
        import msgspec

        files = tuple(sorted(self.recipe.files, key=lambda file: file.path))
        return hashlib.sha256(msgspec.json.encode([_FORMAT, replace(self.recipe, files=files)])).hexdigest()

    def to_json(self) -> bytes:
        """Return the manifest as it is stored."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(_Document(_VERSION, _FORMAT, self.digest, self)), indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest | None":
        """Return the manifest that `text` holds; `None` when it is none, or one of another version."""
        import msgspec

        try:
            found = msgspec.json.decode(text, type=_Document)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        whole = (found.version, found.format) == (_VERSION, _FORMAT) and found.manifest.digest == found.digest
        return found.manifest if whole else None

    def is_of(self, wanted: Recipe, digest_of: Callable[[ModelFile], str | None]) -> bool:
        """Return whether the artifact is the one that `wanted` would give.

        `digest_of` returns the SHA-256 (hex) of what a file holds that nothing is known of but its size, having read
        it; `None` where it cannot tell. It is asked last, when all else agrees.
        """
        if self.recipe.outline != wanted.outline:
            return False
        made = {file.path: file for file in self.recipe.files}
        to_read = []
        for file in wanted.files:
            verdict = _same(made[file.path], file, same_place=self.recipe.source == wanted.source)
            if verdict is False:
                return False
            if verdict is None:
                to_read.append(file)
        if any(made[file.path].sha256 is None for file in to_read):
            return False
        return all(digest_of(file) == made[file.path].sha256 for file in to_read)


@dataclass(frozen=True, slots=True)
class _Document:
    """The manifest as it is written."""

    version: int
    format: int
    digest: str
    manifest: Manifest


def seen(files: Iterable[ModelFile], content: Mapping[str, str]) -> tuple[ModelFile, ...]:
    """Return the files with the SHA-256 that their content was seen to have, where the listing had none."""
    return tuple(
        ModelFile(file.path, file.bytes, file.sha256 or content.get(file.path), file.git_sha1, file.etag)
        for file in files
    )


def _same(made: ModelFile, wanted: ModelFile, *, same_place: bool) -> bool | None:
    """Return whether two files hold the same, `None` when only reading can tell."""
    if wanted.sha256 and made.sha256:
        return wanted.sha256 == made.sha256
    if wanted.git_sha1 and made.git_sha1:
        return wanted.git_sha1 == made.git_sha1
    if wanted.etag:
        return same_place and wanted.etag == made.etag
    return None
