"""Where a model's metadata is read from: the Hub, a folder, a prefix in S3. None of them reads a weight.

A reader lists the model's files and gives small ones whole, or the first bytes of large ones; what it knows beside that
(the Hub's record has much) is in the listing. Inspection does not care which reader it has.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Protocol

from core.cancellation import CancelToken
from core.errors import AccessError, SagewizardError
from core.models import folder
from core.models.facts import ModelFile, Popularity, Scan
from core.models.gguf_header import GgufHeader, read_gguf
from core.models.hub import HubClient
from core.models.hub_record import GgufSummary, HubRecord
from core.models.packaged_files import LFS_POINTER, as_small_as_a_pointer, refuse_lfs_pointers
from core.models.reference import FolderReference, HubReference, ModelReference, S3Reference, SampleReference
from core.models.safetensors_header import StoredParameters, read_parameters
from core.models.stored_objects import ObjectStore

_SAMPLE_LICENSE: Final = "apache-2.0"
_POINTED_AT: Final = re.compile(r"\.(?:safetensors|bin|gguf|model)\Z|(?:^|/)tokenizer\.json\Z", re.IGNORECASE)
"""Files that Git LFS keeps, and that are larger than its pointers."""
_MOST_LOOKED_AT: Final = 50
"""Small files of a prefix in S3 that are looked into for pointers, at most."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a model, and what its place says of it; absent what it does not say.

    `parameters` is what the Hub counted in the checkpoint. `private`: only its owners see it on the Hub. `faulty` are
    files that the Hub's scans find fault with.
    """

    files: tuple[ModelFile, ...]
    revision: str | None = None
    task: str | None = None
    library: str | None = None
    license: str | None = None
    gated: str | None = None
    private: bool = False
    chat_template: bool = False
    parameters: StoredParameters | None = None
    gguf: GgufSummary | None = None
    unsafe_files: tuple[str, ...] = ()
    faulty: tuple[str, ...] = ()
    scan: Scan | None = None
    lfs_pointers: tuple[str, ...] = ()
    popularity: Popularity = field(default_factory=Popularity)
    base_models: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class ModelReader(Protocol):
    """Reads the metadata of one model."""

    def listing(self) -> Listing:
        """Return the model's files. Called once, before anything else."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Return a whole file of at most `limit` bytes."""
        ...

    def start(self, path: str, begin: int, length: int) -> bytes:
        """Return `length` bytes of a file from position `begin` on; fewer at its end."""
        ...

    def stored(self, paths: list[str]) -> StoredParameters | None:
        """Return what the headers of safetensors files say, where that costs no request of its own; else `None`.

        Raises:
            RefusedError: one is cut short.
        """
        ...

    def gguf(self, path: str) -> GgufHeader | None:
        """Return the whole header of a GGUF file, where that costs no request of its own; else `None`.

        Raises:
            RefusedError: it is cut short.
        """
        ...


def open_reader(
    reference: ModelReference, hub: HubClient, objects: ObjectStore | None, cancel: CancelToken
) -> ModelReader:
    """Return the reader for where `reference` points; nothing is read yet.

    Raises:
        AccessError: it points into S3, and no account is open.
    """
    if isinstance(reference, HubReference):
        return HubReader(reference, hub, cancel)
    if isinstance(reference, S3Reference):
        if objects is None:
            raise AccessError(
                f"{reference} lies in S3, which cannot be read without an AWS account.",
                fix="Configure credentials (`aws configure`, or --profile), or use --sandbox.",
            )
        return S3Reader(reference, objects, cancel)
    return FolderReader(reference, cancel)


class HubReader:
    """Reads from the Hub; every call is one request, the later ones of the commit that the first one found."""

    def __init__(self, reference: HubReference, hub: HubClient, cancel: CancelToken) -> None:
        self._name, self._revision = reference.repository, reference.revision
        self._hub, self._cancel = hub, cancel
        self._commit = ""

    def listing(self) -> Listing:
        """Return the Hub's record."""
        record = HubRecord.read(self._name, self._hub.model(self._name, self._revision, self._cancel))
        self._commit = record.commit
        return Listing(
            files=record.files,
            revision=record.commit,
            task=record.task,
            library=record.library,
            license=record.license,
            gated=record.gated,
            private=record.private,
            chat_template=record.chat_template,
            parameters=record.parameters,
            gguf=record.gguf,
            unsafe_files=record.unsafe_files,
            faulty=(*record.unsafe_files, *record.doubtful_files),
            scan=record.scan,
            popularity=Popularity(record.downloads, record.likes, record.last_modified),
            base_models=record.base_models,
        )

    def read(self, path: str, limit: int) -> bytes:
        """Return a whole small file."""
        return self._hub.file(self._name, self._commit, path, limit=limit, cancel=self._cancel)

    def start(self, path: str, begin: int, length: int) -> bytes:
        """Return a part of a file, by a range."""
        return self._hub.file_range(self._name, self._commit, path, begin, length, self._cancel)

    def stored(self, paths: list[str]) -> StoredParameters | None:  # noqa: ARG002 - every header would be a request
        """Return nothing: the record has it, or nobody."""
        return None

    def gguf(self, path: str) -> GgufHeader | None:  # noqa: ARG002 - it would be a request
        """Return nothing."""
        return None


class FolderReader:
    """Reads from a folder of this machine."""

    def __init__(self, reference: FolderReference | SampleReference, cancel: CancelToken) -> None:
        self._reference, self._cancel = reference, cancel
        self._pointers: tuple[str, ...] = ()

    def listing(self) -> Listing:
        """Return the folder's files."""
        found = folder.list_folder(self._reference.path, self._cancel)
        self._pointers = found.lfs_pointers
        return Listing(
            files=found.files,
            license=_SAMPLE_LICENSE if isinstance(self._reference, SampleReference) else None,
            lfs_pointers=found.lfs_pointers,
            warnings=found.warnings,
        )

    def read(self, path: str, limit: int) -> bytes:
        """Return a whole small file, that is no pointer of Git LFS."""
        refuse_lfs_pointers([path], self._pointers, self._reference)
        return folder.read_small(self._reference.path, path, limit=limit)

    def start(self, path: str, begin: int, length: int) -> bytes:
        """Return a part of a file, that is no pointer of Git LFS."""
        refuse_lfs_pointers([path], self._pointers, self._reference)
        return folder.read_part(self._reference.path, path, begin, length)

    def stored(self, paths: list[str]) -> StoredParameters | None:
        """Return what the headers say."""
        refuse_lfs_pointers(paths, self._pointers, self._reference)
        root = self._reference.path
        return read_parameters([root / path for path in paths], root)

    def gguf(self, path: str) -> GgufHeader | None:
        """Return the header."""
        refuse_lfs_pointers([path], self._pointers, self._reference)
        return read_gguf(self._reference.path / path)


class S3Reader:
    """Reads from a prefix in S3; every part of a file is pinned to the version that was listed."""

    def __init__(self, reference: S3Reference, objects: ObjectStore, cancel: CancelToken) -> None:
        self._reference, self._objects, self._cancel = reference, objects, cancel
        self._etags: dict[str, str | None] = {}
        self._pointers: tuple[str, ...] = ()

    def listing(self) -> Listing:
        """Return the objects below the prefix."""
        found = self._objects.list(self._reference.bucket, self._reference.prefix, self._cancel)
        start = len(self._reference.prefix)
        files = tuple(
            ModelFile(entry.key[start:], entry.bytes, etag=entry.etag)
            for entry in sorted(found, key=lambda entry: entry.key)
            if not entry.key[start:].startswith(".") and "/." not in entry.key[start:]
        )
        self._etags = {file.path: file.etag for file in files}
        self._pointers = self._find_pointers(files)
        return Listing(files=files, lfs_pointers=self._pointers)

    def _find_pointers(self, files: tuple[ModelFile, ...]) -> tuple[str, ...]:
        """Return the files that are but pointers of Git LFS, among those that are never as small as one otherwise."""
        length = len(LFS_POINTER)
        small = [file.path for file in files if as_small_as_a_pointer(file.bytes) and _POINTED_AT.search(file.path)]
        return tuple(path for path in small[:_MOST_LOOKED_AT] if self.start(path, 0, length) == LFS_POINTER)

    def read(self, path: str, limit: int) -> bytes:
        """Return a whole small object, that is no pointer of Git LFS."""
        body = self.start(path, 0, limit + 1)
        if body.startswith(LFS_POINTER):
            refuse_lfs_pointers([path], [path], self._reference)
        if len(body) > limit:
            raise SagewizardError(
                f"{path} of {self._reference} is larger than {limit:,} bytes.",
                fix="It is no config: look at what it holds.",
            )
        return body

    def start(self, path: str, begin: int, length: int) -> bytes:
        """Return a part of an object, that is no pointer of Git LFS."""
        refuse_lfs_pointers([path], self._pointers, self._reference)
        key = self._reference.prefix + path
        return self._objects.read(self._reference.bucket, key, begin, length, self._etags.get(path), self._cancel)

    def stored(self, paths: list[str]) -> StoredParameters | None:  # noqa: ARG002 - every header would be a request
        """Return nothing."""
        return None

    def gguf(self, path: str) -> GgufHeader | None:  # noqa: ARG002 - it would be a request
        """Return nothing."""
        return None
