"""The artifact as one archive in S3, packed on its way there: members → tar → gzip → the parts of one upload.

The archive is cut into parts that are compressed by themselves (`core.artifacts.gzip_parts`), so that several are
packed and sent at once, and those that S3 has already need not be sent again. A run that was killed is gone on with
from the last member that begins a part and before which S3 has everything: what lies before is not read again. From
there on the members are read again, and a part is sent only when S3 has it not, or with another SHA-256.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from threading import Lock

from core.artifacts.artifact_folder import ARCHIVE_NAME, ArtifactFolder
from core.artifacts.checkpoint import ArchiveCheckpoint
from core.artifacts.counter import Counter, Sending
from core.artifacts.encoding import encoded_parts
from core.artifacts.gzip_parts import HEADER, GzipState
from core.artifacts.manifest import StoredFile
from core.artifacts.reading import Piece, read_ahead
from core.artifacts.storing import Requests, Stored, blamed, upload_to_go_on_with
from core.artifacts.tar_stream import ArchivePart, archive_parts, part_bytes_for, tar_bytes
from core.artifacts.tree import Member
from core.aws.object_writing import ObjectWriter, StoredPart
from core.aws.written_objects import sha256_of
from core.cancellation import CancelToken
from core.errors import AccessError, NotFoundError
from core.throttle import Throttle


def store_archive(
    members: tuple[Member, ...],
    folder: ArtifactFolder,
    writer: ObjectWriter,
    *,
    checkpoint: ArchiveCheckpoint | None,
    note: Callable[[ArchiveCheckpoint], None],
    packed: Counter,
    stored: Counter,
    unreadable: Callable[[], None],
    throttle: Throttle | None,
    cancel: CancelToken,
) -> Stored:
    """Store the members as `model.tar.gz` in the folder, beginning at the checkpoint where there is one that holds.

    `note` receives the places that a later run can go on from, in order. `packed` counts what was read and seen to be
    right, `stored` what S3 has. `unreadable` is called before an error of reading is raised, which is none of S3.
    `throttle` slows the reading down.

    Raises:
        SagewizardError: a member cannot be read, or is not what was listed.
        AccessError, UnreachableError: S3 refused or did not answer.
        CancelledByUser: stopping was asked for.
    """
    key = folder.data_key("archive")
    content = {member.path: member.origin.sha256 for member in members if member.origin and member.origin.sha256}
    if there := writer.object_at(key):  # an earlier run ended just after it was whole
        for counter in (packed, stored):
            counter.add(sum(member.bytes for member in members))
        return Stored((StoredFile(ARCHIVE_NAME, there.bytes, there.etag),), content)
    layout = archive_parts(members, part_bytes_for(tar_bytes(members)))
    upload = _upload(writer, key, checkpoint)
    if checkpoint is None or checkpoint.upload_id != upload.id:
        note(ArchiveCheckpoint(upload.id, part=1, crc32=0, bytes=0))  # not everybody may list uploads
    begin = _beginning(layout, checkpoint, upload)
    first_member = layout[begin.part - 1].first
    for counter in (packed, stored):
        counter.add(sum(member.bytes for member in members[:first_member]))

    def passing(pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            member = members[first_member + piece.member]
            packed.add(len(piece.data), member.path)
            if piece.last and piece.sha256:
                content[member.path] = piece.sha256
            yield piece

    with (
        closing(read_ahead(members[first_member:], cancel=cancel, throttle=throttle, arriving=packed.ahead)) as pieces,
        Requests(cancel) as requests,
    ):
        sending = _Sending(writer, key, upload, layout, begin.part, stored, note, members)
        state = GzipState(begin.crc32, begin.bytes)
        encoded = encoded_parts(members, layout, passing(blamed(pieces, unreadable)), first=begin.part - 1)
        with closing(encoded):
            for part, data in encoded:
                state = state.after(data)
                body = [
                    *([HEADER] if part.number == 1 else []),
                    data.data,
                    *([state.trailer] if part.number == len(layout) else []),
                ]
                requests.hand_in(partial(sending.send, part, body, state), holds=len(data.data))
        requests.finish()
        written = writer.complete(key, upload.id, sending.parts)
    return Stored((StoredFile(ARCHIVE_NAME, written.bytes, written.etag or ""),), content)


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload, and the parts that S3 has of it, by number."""

    id: str
    parts: Mapping[int, StoredPart]


class _Sending:
    """Parts on their way, from several threads; tells of the places to go on from as soon as all before is in S3."""

    def __init__(
        self,
        writer: ObjectWriter,
        key: str,
        upload: _Upload,
        layout: Sequence[ArchivePart],
        begin: int,
        stored: Counter,
        note: Callable[[ArchiveCheckpoint], None],
        members: Sequence[Member],
    ) -> None:
        self._writer, self._key, self._upload, self._layout = writer, key, upload, layout
        self._stored, self._note, self._members = stored, note, members
        self._lock = Lock()
        self._done = dict(upload.parts)
        self._states: dict[int, GzipState] = {}
        self._settled = begin - 1
        """The number of the part up to which all are in S3."""

    @property
    def parts(self) -> list[StoredPart]:
        """All parts, in order."""
        return [self._done[part.number] for part in self._layout]

    def send(self, part: ArchivePart, body: Sequence[bytes | memoryview], state: GzipState) -> None:
        """Send a part, unless S3 has it; `state` is that after it."""
        digest, size, file = sha256_of(body), sum(map(len, body)), self._members[part.first].path
        there = self._upload.parts.get(part.number)
        if there is None or (there.bytes, there.sha256) != (size, digest.hex()):
            sending = Sending(self._stored, part.bytes, size, file, with_others=True)
            there = self._writer.put_part(self._key, self._upload.id, part.number, body, digest, sent=sending)
        self._stored.add(part.bytes, file, with_others=True)
        with self._lock:
            self._done[part.number] = there
            self._states[part.number] = state
            self._tell()

    def _tell(self) -> None:
        """Tell of the last place before which everything is in S3, if there is a new one."""
        place = None
        while (state := self._states.pop(self._settled + 1, None)) is not None:
            self._settled += 1
            if self._settled < len(self._layout) and self._layout[self._settled].begins_member:
                place = ArchiveCheckpoint(self._upload.id, self._settled + 1, state.crc32, state.bytes)
        if place is not None:
            self._note(place)


def _upload(writer: ObjectWriter, key: str, checkpoint: ArchiveCheckpoint | None) -> _Upload:
    """Return the upload to go on with, one that is begun where an earlier run left none; others are ended."""
    left = writer.uploads(key).get(key, ())
    if not left and checkpoint is not None:
        try:
            return _Upload(
                checkpoint.upload_id, {part.number: part for part in writer.parts(key, checkpoint.upload_id)}
            )
        except (NotFoundError, AccessError):
            writer.abort(key, checkpoint.upload_id)
    if not left:
        return _Upload(writer.begin(key), {})
    chosen = upload_to_go_on_with(writer, key, left, wanted=checkpoint.upload_id if checkpoint else None)
    return _Upload(chosen, {part.number: part for part in writer.parts(key, chosen)})


def _beginning(
    layout: Sequence[ArchivePart], checkpoint: ArchiveCheckpoint | None, upload: _Upload
) -> ArchiveCheckpoint:
    """Return where to begin: at the checkpoint, if it is of this upload and S3 has all that is before it."""
    if (
        checkpoint is not None
        and checkpoint.upload_id == upload.id
        and 1 <= checkpoint.part <= len(layout)
        and layout[checkpoint.part - 1].begins_member
        and layout[checkpoint.part - 1].start == checkpoint.bytes
        and all(number in upload.parts for number in range(1, checkpoint.part))
    ):
        return checkpoint
    return ArchiveCheckpoint(upload.id, part=1, crc32=0, bytes=0)
