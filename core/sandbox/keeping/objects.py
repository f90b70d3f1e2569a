"""S3 objects: their bytes as files of ours, where moto would have temporary ones, and their records.

An object's file is written once, under a name of its own, before its record; it is removed after the record that named
it has gone. So a record always finds its file, whenever the process is killed, and a file without record is waste that
the next start clears away.
"""

import hashlib
import itertools
import logging
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from core.sandbox.keeping.bodies import KeptFile, write
from core.sandbox.keeping.checksums import compute_checksum
from core.sandbox.keeping.large_objects import FileBytes, mapped, multipart_class, pieces_of
from core.sandbox.keeping.records import Records

Name = tuple[str, str]
"""A bucket and a key."""

_FIELDS: Final = (
    *("_etag", "_version_id", "_is_versioned", "_storage_class", "website_redirect_location"),
    *("encryption", "kms_key_id", "bucket_key_enabled", "lock_mode", "lock_legal_status", "lock_until"),
    *("checksum_algorithm", "checksum_value", "checksum_type", "checksum_parts"),
)
"""moto's attributes of an object that clients can see and that are kept as they are."""
_DATES: Final = ("last_modified", "_expiry")
_CHUNK: Final = 16 * 1024 * 1024
_log = logging.getLogger(__name__)


class _LostError(Exception):
    """The bytes of an object are not there."""


class Objects:
    """The objects of all buckets in moto's memory, kept in `folder` and `records`. Make it before moto makes any."""

    def __init__(self, records: Records, folder: Path) -> None:
        from moto.s3 import models, responses

        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._records = records
        self._folder = folder
        self._lock = threading.RLock()
        self._here = threading.local()
        self._files: dict[str, frozenset[str]] = {}
        self._discarded: dict[str, int] = {}
        self._moments = itertools.count()
        self._answering: set[int] = set()
        self._class = models.FakeKey = _key_class(models.FakeKey, self)
        models.FakeMultipart = multipart_class(models.FakeMultipart, self.new_path, _kept_file, self._take_part)
        responses.compute_checksum = compute_checksum

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Around the answer to a request: what it may be reading stays on the disk until it is over."""
        with self._lock:
            begun = next(self._moments)
            self._answering.add(begun)
        try:
            yield
        finally:
            with self._lock:
                self._answering.discard(begun)
                self._clear_away()

    def touch(self, name: Name) -> None:
        """Note that the request which this thread answers changes an object."""
        if not hasattr(self._here, "names"):
            self._here.names = set()
        self._here.names.add(name)

    def keep(self) -> None:
        """Keep what this thread's request has changed."""
        names: set[Name] = self._here.__dict__.pop("names", set())
        written: set[str] = self._here.__dict__.pop("written", set())
        if not names:
            return
        with self._lock:
            records = {f"{bucket}/{key}": self._describe(bucket, key) for bucket, key in names}
            self._records.change("object", records)
            for name, versions in records.items():
                before, self._files[name] = self._files.get(name, frozenset()), _files_of(versions or [])
                written |= before
            # Of requests that write the same object at once, moto forgets all but one without a word.
            for file in written - frozenset().union(*self._files.values()):
                self._discarded.setdefault(file, next(self._moments))

    def _clear_away(self) -> None:
        """Remove discarded files that no record names and no request from before they were discarded may still read."""
        if not self._discarded:
            return
        oldest = min(self._answering, default=None)
        named = frozenset().union(*self._files.values())
        for file, since in list(self._discarded.items()):
            if file not in named and (oldest is None or since < oldest):
                del self._discarded[file]
                (self._folder / file).unlink(missing_ok=True)

    def restore(self) -> None:
        """Put the objects into moto's buckets, which exist, without reading their bytes."""
        for name, versions in self._records.all("object").items():
            bucket, _, key = name.partition("/")
            self._files[name] = _files_of(versions)
            try:
                self._put_back(bucket, key, versions)
            except _LostError as error:
                _log.error("The object s3://%s is lost: %s", name, error)
                self._records.change("object", {name: None})
                del self._files[name]
            except Exception:  # noqa: BLE001 - what one object lacks must not take the others along
                _log.exception("The object s3://%s could not be brought back", name)
        named: frozenset[str] = frozenset().union(*self._files.values())
        for path in self._folder.iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)

    @contextmanager
    def in_pieces(self) -> Iterator[None]:
        """Within it, this thread is given the bytes of objects as `FileBytes`."""
        with self._given("pieces"):
            yield

    @contextmanager
    def in_mapped_files(self) -> Iterator[None]:
        """Within it, this thread is given the bytes of objects as `mapped` ones."""
        with self._given("mapped"):
            yield

    @contextmanager
    def _given(self, how: str) -> Iterator[None]:
        self._here.given = how
        try:
            yield
        finally:
            self._here.given = None

    def value_of(self, path: Path, size: int) -> Any:
        """Return the bytes of an object: all at once or, where this thread wants them so, another way."""
        given = getattr(self._here, "given", None)
        if given == "pieces":
            return FileBytes(path, 0, size)
        return mapped(path) if given == "mapped" else path.read_bytes()

    @contextmanager
    def offering(self, received: KeptFile) -> Iterator[None]:
        """Within it, the next object or part that this thread's request makes has these bytes; moto is given none."""
        self._here.offered = received
        try:
            yield
        finally:
            self._drop_offered()

    def file_for(self, new: Any, *, part: bool) -> KeptFile:
        """Return the bytes of a new object or part, in a file that no record names yet."""
        if isinstance(new, KeptFile):
            return new
        offered: KeptFile | None = self._here.__dict__.pop("offered", None)
        if offered is not None:
            return offered
        return write(pieces_of(new), self.part_path() if part else self.new_path(), ())

    def new_path(self) -> Path:
        """Return where to put the bytes of a new object; they are removed if they do not become one."""
        path = self._folder / secrets.token_hex(16)
        self._here.__dict__.setdefault("written", set()).add(path.name)
        return path

    def part_path(self) -> Path:
        """Return where to put a part of an upload: parts do not outlive the process, as moto's do not."""
        return Path(tempfile.gettempdir()) / f"part-{secrets.token_hex(16)}"

    def _take_part(self, data: Any, algorithm: str | None) -> None:
        self._drop_offered()
        self._here.offered = write(pieces_of(data), self.part_path(), filter(None, (algorithm,)))

    def _drop_offered(self) -> None:
        if (offered := self._here.__dict__.pop("offered", None)) is not None:
            offered.path.unlink(missing_ok=True)

    def discard(self, path: Path) -> None:
        """Let a file go once no record names it, and nobody reads it."""
        with self._lock:
            self._discarded[path.name] = next(self._moments)

    def _describe(self, bucket_name: str, key: str) -> list[dict[str, Any]] | None:
        """Return the versions of an object, oldest first; `None` when there is no such object."""
        backend, bucket = find_bucket(bucket_name)
        versions = list(bucket.keys.getlist(key, [])) if bucket else []
        return [self._describe_version(backend, version) for version in versions] or None

    def _describe_version(self, backend: Any, version: Any) -> dict[str, Any]:
        if not isinstance(version, self._class):
            return {"deleted": version.last_modified.isoformat(), "version": version.version_id}
        _ = version.etag  # works it out, if need be
        dates = {name: getattr(version, name, None) for name in _DATES}
        return {
            "file": version.file.name,
            "size": version.contentsize,
            "region": version.region_name,
            "fields": {name: getattr(version, name, None) for name in _FIELDS},
            "dates": {name: at.isoformat() for name, at in dates.items() if at},
            "metadata": dict(version.metadata),
            "tags": backend.tagger.get_tag_dict_for_resource(version.arn),
            "acl": version.acl
            and [
                [[[who.id, who.uri, who.display_name] for who in grant.grantees], list(grant.permissions)]
                for grant in version.acl.grants
            ],
        }

    def _put_back(self, bucket_name: str, key: str, described: Iterable[Mapping[str, Any]]) -> None:
        backend, bucket = find_bucket(bucket_name)
        versions: list[Any] = []
        for version in described:
            made = self._make_version(backend, bucket_name, key, version, versions[-1] if versions else None)
            versions.append(made)
        bucket.keys.setlist(key, versions)

    def _make_version(self, backend: Any, bucket_name: str, key: str, version: Mapping[str, Any], previous: Any) -> Any:
        from moto.s3.models import FakeAcl, FakeDeleteMarker, FakeGrant, FakeGrantee

        if "deleted" in version:
            marker = FakeDeleteMarker(key=previous)
            marker.name, marker._version_id = key, version["version"]
            marker.last_modified = datetime.fromisoformat(version["deleted"])
            return marker
        file = KeptFile(self._folder / version["file"], version["size"])
        if not file.path.exists() or file.path.stat().st_size != file.size:
            raise _LostError(f"{file.path} has not its {file.size} bytes; the machine may have gone down too early")
        made = self._class(
            name=key, bucket_name=bucket_name, value=file, account_id=backend.account_id, region_name=version["region"]
        )
        for name, value in version["fields"].items():
            setattr(made, name, value)
        for name, at in version["dates"].items():
            setattr(made, name, datetime.fromisoformat(at))
        made.set_metadata(dict(version["metadata"]))
        made.acl = version["acl"] and FakeAcl(
            [FakeGrant([FakeGrantee(*who) for who in grantees], allowed) for grantees, allowed in version["acl"]]
        )
        if version["tags"]:
            backend.tagger.tag_resource(
                made.arn, [{"Key": name, "Value": value} for name, value in version["tags"].items()]
            )
        return made


def _kept_file(path: Path) -> KeptFile:
    return KeptFile(path, path.stat().st_size)


def _files_of(versions: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(version["file"] for version in versions if "file" in version)


def find_bucket(name: str) -> tuple[Any, Any]:
    """Return the backend of a bucket and the bucket; `None` twice when there is none of that name."""
    from moto.s3.models import s3_backends

    partition, account = s3_backends.bucket_accounts.get(name, (None, None))
    if partition is None:
        return None, None
    backend = s3_backends[account][partition]
    return backend, backend.buckets.get(name)


def _key_class(base: Any, objects: Objects) -> Any:
    """Return moto's class of objects, and of parts (those without a bucket), with the bytes in a file of ours."""

    class KeptKey(base):  # type: ignore[misc, unused-ignore] # moto has no types
        file: Path | None = None
        checksums: Mapping[str, bytes] = {}
        _etag: str | None = None

        @property
        def value(self) -> Any:
            assert self.file is not None  # noqa: S101 - it is made with one
            return objects.value_of(self.file, self.contentsize)

        @value.setter
        def value(self, new: Any) -> None:
            self._let_go()
            kept = objects.file_for(new, part=self.bucket_name is None)
            self.file, self.contentsize, self.checksums = kept.path, kept.size, kept.checksums
            self._etag = self._etag or kept.md5
            if self.bucket_name is not None:
                objects.touch((self.bucket_name, self.name))

        @property
        def etag(self) -> str:
            if self._etag is None and self.file:
                digest = hashlib.md5(usedforsecurity=False)
                with self.file.open("rb") as file:
                    while block := file.read(_CHUNK):
                        digest.update(block)
                self._etag = digest.hexdigest()
            return str(base.etag.fget(self))

        def __deepcopy__(self, memo: dict[int, Any]) -> "KeptKey":
            """Return what a listing of versions shows of an object; moto's own way copies its bytes."""
            shown = self.__class__.__new__(self.__class__)
            shown.__dict__.update(self.__dict__, disposed=True, multipart=None)  # the files are not the copy's
            memo[id(self)] = shown
            return shown

        def dispose(self, garbage: bool = False) -> None:
            if self.file and not self.disposed:
                self._let_go()
                if self.bucket_name is not None:
                    objects.touch((self.bucket_name, self.name))
            super().dispose(garbage)

        def _let_go(self) -> None:
            if self.file is None:
                return
            if self.bucket_name is None:
                self.file.unlink(missing_ok=True)
            else:
                objects.discard(self.file)

    return KeptKey
