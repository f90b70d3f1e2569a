"""Places in S3 where a model may be: the buckets and prefixes that go on from what a person has typed."""

from typing import Final, Protocol

from core.cancellation import CancelToken
from core.models.local_places import MOST_PLACES, Place
from core.models.reference import parse_reference

_S3: Final = "s3://"


class PlaceStore(Protocol):
    """Lists what there is in a store, as `core.aws.object_reading.S3Objects` does; errors are those of that class."""

    def buckets(self, cancel: CancelToken) -> tuple[str, ...]:
        """Return the names of the account's buckets."""
        ...

    def prefixes(self, bucket: str, prefix: str, cancel: CancelToken) -> tuple[str, ...]:
        """Return the prefixes that begin with `prefix` and end at the next slash."""
        ...


def prefixes_like(text: str, store: PlaceStore, cancel: CancelToken) -> tuple[Place, ...]:
    """Return the buckets, or the prefixes of the bucket, that go on from `text` (`s3://`, `s3://bucket/mod`).

    200 at most. Whether they hold models is not looked at, that would be a request for each. Nothing goes on from a
    prefix without others below it: that is where a model may be.

    Raises:
        UsageError: the name before the slash cannot be a bucket's.
        NotFoundError: there is no such bucket.
        AccessError: there are no credentials, or they do not allow it.
        UnreachableError, SagewizardError: AWS did not answer, or refused.
        CancelledByUser: stopping was asked for.
    """
    bucket, slash, prefix = text.removeprefix(_S3).partition("/")
    if not slash:
        names = [name for name in store.buckets(cancel) if name.startswith(bucket)]
        return tuple(Place(f"{_S3}{name}/", name, model=None) for name in names[:MOST_PLACES])
    parse_reference(f"{_S3}{bucket}/")  # refuses what cannot be a bucket
    begun = len(prefix.rpartition("/")[0])
    found = store.prefixes(bucket, prefix, cancel)[:MOST_PLACES]
    return tuple(
        Place(f"{_S3}{bucket}/{each}", each[begun:].strip("/"), model=None) for each in found if each[begun:].strip("/")
    )
