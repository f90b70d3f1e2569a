"""How far an archive in S3 is: what has to be known to go on with it where S3 tells only which parts it has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchiveCheckpoint:
    """A place in an archive that a later run can go on from: a part that begins with a member.

    All parts before `part` (counted from 1) are in S3, as parts of the upload `upload_id`, and what they hold was seen
    to be right. `crc32` and `bytes` are of the tar stream up to there, as the end of a gzip file tells them.
    """

    upload_id: str
    part: int
    crc32: int
    bytes: int
