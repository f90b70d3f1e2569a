"""The artifact as objects in S3, one for each file: what engines load that take no archive, and large models.

Files of a model that lies in S3 are copied there, without passing through this machine. What an earlier run stored is
not sent again: of the objects below a folder that only one deployment writes to, each is whole, and was seen to be
right before it was; of large ones S3 tells the SHA-256 of the parts that it has.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from core.artifacts.artifact_folder import TREE_NAME, ArtifactFolder
from core.artifacts.counter import Counter, Sending
from core.artifacts.manifest import StoredFile
from core.artifacts.reading import read_ahead
from core.artifacts.storing import Requests, Stored, blamed, upload_to_go_on_with
from core.artifacts.tar_stream import part_bytes_for
from core.artifacts.tree import Member
from core.aws.object_reading import S3Objects
from core.aws.object_writing import ObjectWriter, StoredPart, WrittenObject
from core.aws.written_objects import sha256_of
from core.cancellation import CancelToken
from core.models.sources import StoredContent
from core.models.stored_objects import StoredObject
from core.throttle import Throttle

_UNIT: Final = 8 * 2**20


def store_tree(
    members: tuple[Member, ...],
    folder: ArtifactFolder,
    writer: ObjectWriter,
    *,
    packed: Counter,
    stored: Counter,
    unreadable: Callable[[], None],
    throttle: Throttle | None,
    cancel: CancelToken,
) -> Stored:
    """Store each member as an object below the folder's `model/`; those that are there already are left as they are.

    `packed` counts what was read and seen to be right, `stored` what S3 has. `unreadable` is called before an error of
    reading is raised, which is none of S3. `throttle` slows the reading down.

    Raises:
        SagewizardError: a member cannot be read, or is not what was listed.
        AccessError, UnreachableError: S3 refused or did not answer.
        CancelledByUser: stopping was asked for.
    """
    prefix = folder.data_key("prefix")
    stored_before = S3Objects(writer.clients).list(folder.bucket, prefix, cancel)
    sizes = {member.path: member.bytes for member in members}
    found_before = {item.key.removeprefix(prefix): item for item in stored_before}
    there = {path: item for path, item in found_before.items() if sizes.get(path) == item.bytes}
    work = _Work(writer, prefix, there, _uploads(writer, prefix), stored)
    content: dict[str, str] = {}
    to_read = []
    with Requests(cancel) as requests:
        for member in members:
            found = work.objects.get(member.path)
            if member.origin is not None and member.origin.sha256:
                content[member.path] = member.origin.sha256
            if found is not None and not _to_be_read_again(member):
                packed.add(member.bytes, member.path)
                stored.add(member.bytes, member.path)
            elif found is None and isinstance(member.content, StoredContent):
                requests.hand_in(partial(work.copy, member, member.content))
                packed.add(member.bytes, member.path)
            else:
                to_read.append(member)
        file: _File | None = None
        reading = read_ahead(to_read, cancel=cancel, throttle=throttle, unit_bytes=_UNIT, arriving=packed.ahead)
        with closing(reading) as pieces:
            for piece in blamed(pieces, unreadable):
                member = to_read[piece.member]
                file = file or _File(member, part_bytes_for(member.bytes))
                file.take(piece.data)
                packed.add(len(piece.data), member.path)
                if piece.last:
                    content[member.path] = piece.sha256 or ""
                work.send(file, requests, last=piece.last)
                if piece.last:
                    file = None
    return Stored(
        tuple(StoredFile(TREE_NAME + path, item.bytes, item.etag or "") for path, item in sorted(work.objects.items())),
        {path: digest for path, digest in content.items() if digest},
    )


@dataclass
class _File:
    """A file that is on its way: what of it waits to be sent, and the parts that were handed in."""

    member: Member
    part_bytes: int
    waiting: list[bytes | memoryview] = field(default_factory=list)
    waiting_bytes: int = 0
    upload: str | None = None
    there: Mapping[int, StoredPart] = field(default_factory=dict)
    parts: "list[Future[StoredPart]]" = field(default_factory=list)

    def take(self, data: bytes | memoryview) -> None:
        """Take in the next bytes."""
        self.waiting.append(data)
        self.waiting_bytes += len(data)

    def waiting_part(self) -> list[bytes | memoryview]:
        """Return what waits, which is then a part of its own."""
        part, self.waiting, self.waiting_bytes = self.waiting, [], 0
        return part


class _Work:
    """What is done with files, on the threads of `Requests` where it takes long."""

    def __init__(
        self,
        writer: ObjectWriter,
        prefix: str,
        there: Mapping[str, StoredObject],
        uploads: Mapping[str, str],
        stored: Counter,
    ) -> None:
        self._writer, self._prefix, self._stored = writer, prefix, stored
        self._uploads = uploads
        self.objects = dict(there)
        self._before = frozenset(there)

    def copy(self, member: Member, source: StoredContent) -> None:
        """Have S3 copy an object of its own."""
        bucket, key, etag = source.stored_at
        self._note(member, self._writer.copy(self._prefix + member.path, bucket, key, etag, member.bytes))
        self._stored.add(member.bytes, member.path)

    def send(self, file: _File, requests: Requests, *, last: bool) -> None:
        """Hand in what of a file makes up a part, and with its last bytes what makes it whole."""
        member = file.member
        if member.path in self._before:  # it was read to know what it holds
            file.waiting_part()
            if last:
                self._stored.add(member.bytes, member.path)
            return
        if last and file.upload is None and member.bytes <= file.part_bytes:
            pieces = file.waiting_part()
            requests.hand_in(partial(self._put, member, pieces), holds=member.bytes)
            return
        if file.waiting_bytes < file.part_bytes and not last:
            return
        if file.upload is None:
            self._open(file)
        holds, pieces = file.waiting_bytes, file.waiting_part()
        if pieces:
            part = partial(self._put_part, file, len(file.parts) + 1, pieces, holds)
            file.parts.append(requests.hand_in(part, holds=holds))
        if last:
            # Its parts were handed in before, and the threads take what is handed in in turn: none waits for ever.
            requests.hand_in(partial(self._complete, file))

    def _open(self, file: _File) -> None:
        key = self._prefix + file.member.path
        file.upload = self._uploads.get(key)
        if file.upload is None:
            file.upload = self._writer.begin(key)
        else:
            file.there = {part.number: part for part in self._writer.parts(key, file.upload)}

    def _put(self, member: Member, pieces: list[bytes | memoryview]) -> None:
        sending = Sending(self._stored, member.bytes, member.bytes, member.path)
        self._note(member, self._writer.put(self._prefix + member.path, pieces, sent=sending))
        self._stored.add(member.bytes, member.path)

    def _put_part(self, file: _File, number: int, pieces: list[bytes | memoryview], size: int) -> StoredPart:
        digest = sha256_of(pieces)
        part = file.there.get(number)
        if part is None or (part.bytes, part.sha256) != (size, digest.hex()):
            assert file.upload is not None  # noqa: S101 - it is opened before its first part
            part = self._writer.put_part(
                self._prefix + file.member.path,
                file.upload,
                number,
                pieces,
                digest,
                sent=Sending(self._stored, size, size, file.member.path),
            )
        self._stored.add(size, file.member.path)
        return part

    def _complete(self, file: _File) -> None:
        parts = [future.result() for future in file.parts]
        assert file.upload is not None  # noqa: S101 - it is opened before its first part
        self._note(file.member, self._writer.complete(self._prefix + file.member.path, file.upload, parts))

    def _note(self, member: Member, written: WrittenObject) -> None:
        self.objects[member.path] = StoredObject(written.key, member.bytes, written.etag)


def _to_be_read_again(member: Member) -> bool:
    """Return whether only reading tells what a stored file holds: nothing said so, and reading it costs little."""
    origin = member.origin
    return origin is not None and origin.sha256 is None and origin.etag is None


def _uploads(writer: ObjectWriter, prefix: str) -> Mapping[str, str]:
    """Return the upload of each key that an earlier run left; where there are several, the others are ended."""
    return {key: upload_to_go_on_with(writer, key, left) for key, left in writer.uploads(prefix).items()}
