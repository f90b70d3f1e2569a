"""Models that lie in S3, against the sandbox's: listed, read in part, streamed, and changed meanwhile."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

from core.aws.clients import Clients, StaticCredentials
from core.aws.object_reading import S3Objects
from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, NotFoundError, RefusedError, SagewizardError, UnreachableError
from core.models.facts import ModelFile
from core.models.hub import HubClient
from core.models.reference import S3Reference
from core.models.sources import S3Source, open_source
from core.models.stored_objects import ObjectChangedError, ObjectStore, StoredObject, StreamCutError
from tests.contract.sandbox_account import Aws

WEIGHTS = random.Random(17).randbytes(2**20 + 17)
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "sub/a b+c.txt": b"text", "empty.txt": b""}
PREFIX = "models/tiny/"


@pytest.fixture
def clients(aws: Aws) -> Clients:
    running = aws.running
    keys = StaticCredentials(running.access_key_id, running.secret_access_key)
    return Clients(region="us-east-1", endpoint_url=running.url, credentials=keys)


@pytest.fixture
def store(clients: Clients) -> S3Objects:
    return S3Objects(clients)


@pytest.fixture
def bucket(aws: Aws) -> str:
    """A bucket with a model, a marker of its folder, and something beside it."""
    name = aws.bucket()
    for path, content in FILES.items():
        aws.s3.put_object(Bucket=name, Key=PREFIX + path, Body=content)
    aws.s3.put_object(Bucket=name, Key=PREFIX, Body=b"")
    aws.s3.put_object(Bucket=name, Key="models/tiny-too/config.json", Body=b"{}")
    return name


def listed(store: ObjectStore, bucket: str) -> dict[str, ModelFile]:
    found = store.list(bucket, PREFIX, CancelToken())
    files = (ModelFile(each.key.removeprefix(PREFIX), each.bytes, etag=each.etag) for each in found)
    return {file.path: file for file in files}


def source(store: ObjectStore, bucket: str) -> S3Source:
    return S3Source(S3Reference(bucket, PREFIX), store, pause=0.01)


@contextmanager
def answered(clients: Clients, answer: Callable[[Any], AWSResponse | None]) -> Iterator[None]:
    """Have these answers come in place of S3's own."""

    def answering(request: Any, **_: object) -> AWSResponse | None:
        return answer(request)

    events = clients.get("s3").meta.events
    events.register("before-send.s3", answering)
    try:
        yield
    finally:
        events.unregister("before-send.s3", answering)


def response(request: Any, status: int, body: bytes, **headers: str) -> AWSResponse:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return AWSResponse(request.url, status, told, HTTPResponse(BytesIO(body), preload_content=False))


class Cuts:
    """Answers the first requests for a part of `content` with less than they promise."""

    def __init__(self, content: bytes, *lengths: int) -> None:
        self.content = content
        self.left = list(lengths)
        self.asked: list[str | None] = []
        self.versions: list[str | None] = []

    def __call__(self, request: Any) -> AWSResponse | None:
        asked, version = (request.headers.get(name) for name in ("Range", "If-Match"))
        self.asked.append(asked and asked.decode())
        self.versions.append(version and version.decode())
        if not self.left:
            return None
        start = int(self.asked[-1].removeprefix("bytes=").split("-")[0]) if self.asked[-1] else 0
        rest = self.content[start:]
        return response(
            request,
            206 if start else 200,
            rest[: self.left.pop(0)],
            content_length=str(len(rest)),
            content_range=f"bytes {start}-{len(self.content) - 1}/{len(self.content)}",
        )


def test_the_objects_below_a_prefix_are_listed_with_their_versions(store: S3Objects, bucket: str, aws: Aws) -> None:
    found = store.list(bucket, PREFIX, CancelToken())
    assert [(each.key, each.bytes) for each in found] == sorted((PREFIX + path, len(FILES[path])) for path in FILES)
    stored = aws.s3.head_object(Bucket=bucket, Key=f"{PREFIX}config.json")
    assert found[0] == StoredObject(f"{PREFIX}config.json", 2, stored["ETag"].strip('"'))


def test_a_listing_goes_over_all_pages(store: S3Objects, clients: Clients, bucket: str) -> None:
    def one_a_page(params: dict[str, Any], **_: object) -> None:
        params["MaxKeys"] = 1

    clients.get("s3").meta.events.register("before-parameter-build.s3.ListObjectsV2", one_a_page)
    assert len(store.list(bucket, PREFIX, CancelToken())) == len(FILES)


def test_a_prefix_with_more_objects_than_a_model_has_is_refused(
    store: S3Objects, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.aws.object_reading._MOST_KEYS", 3)
    with pytest.raises(RefusedError, match="more than 3 objects"):
        store.list(bucket, PREFIX, CancelToken())


def test_nothing_below_a_prefix_is_an_empty_listing(store: S3Objects, bucket: str) -> None:
    assert store.list(bucket, "absent/", CancelToken()) == ()


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 10), (5, 7), (len(WEIGHTS) - 3, 10), (len(WEIGHTS), 10), (0, 0), (0, 2**22)],
)
def test_a_part_is_read(store: S3Objects, bucket: str, start: int, length: int) -> None:
    expected = WEIGHTS[start : start + length]
    etag = listed(store, bucket)["model.safetensors"].etag
    key = f"{PREFIX}model.safetensors"
    assert store.read(bucket, key, start, length, etag, CancelToken()) == expected
    assert store.read(bucket, key, start, length, None, CancelToken()) == expected


def test_an_empty_object_has_no_first_bytes(store: S3Objects, bucket: str) -> None:
    assert store.read(bucket, f"{PREFIX}empty.txt", 0, 100, None, CancelToken()) == b""


def test_a_part_that_is_cut_is_read_again(
    store: S3Objects, clients: Clients, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.aws.object_reading._PAUSE_SECONDS", 0.01)
    key = f"{PREFIX}model.safetensors"
    with answered(clients, cuts := Cuts(WEIGHTS, 4, 0)):
        assert store.read(bucket, key, 0, 100, None, CancelToken()) == WEIGHTS[:100]
    assert cuts.asked == ["bytes=0-99"] * 3
    with answered(clients, Cuts(WEIGHTS, 4, 4, 4)), pytest.raises(StreamCutError, match="connection broke"):
        store.read(bucket, key, 0, 100, None, CancelToken())


def test_a_part_of_a_changed_object_is_refused(store: S3Objects, bucket: str, aws: Aws) -> None:
    etag = listed(store, bucket)["config.json"].etag
    aws.s3.put_object(Bucket=bucket, Key=f"{PREFIX}config.json", Body=b"[]")
    with pytest.raises(ObjectChangedError, match="changed since") as caught:
        store.read(bucket, f"{PREFIX}config.json", 0, 2, etag, CancelToken())
    assert caught.value.fix


def test_another_part_than_the_one_asked_for_is_refused(store: S3Objects, clients: Clients, bucket: str) -> None:
    def whole(request: Any) -> AWSResponse:
        return response(request, 200, WEIGHTS, content_length=str(len(WEIGHTS)))

    with answered(clients, whole), pytest.raises(SagewizardError, match="another part was sent"):
        store.read(bucket, f"{PREFIX}model.safetensors", 5, 10, None, CancelToken())


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_file_arrives_whole(store: S3Objects, bucket: str, path: str) -> None:
    reference = S3Reference(bucket, PREFIX)
    opened = open_source(reference, None, HubClient("http://localhost:1"), store)
    assert b"".join(opened.read(listed(store, bucket)[path], CancelToken())) == FILES[path]


def test_a_file_is_below_the_whole_bucket_too(store: S3Objects, bucket: str) -> None:
    (found,) = store.list(bucket, f"{PREFIX}config.json", CancelToken())
    read = S3Source(S3Reference(bucket), store).read(ModelFile(found.key, found.bytes, etag=found.etag), CancelToken())
    assert b"".join(read) == b"{}"


def test_a_cut_stream_is_taken_up_where_it_broke(store: S3Objects, clients: Clients, bucket: str) -> None:
    file = listed(store, bucket)["model.safetensors"]
    with answered(clients, cuts := Cuts(WEIGHTS, 1000, 2**20 - 1000, 0)):
        assert b"".join(source(store, bucket).read(file, CancelToken())) == WEIGHTS
    assert cuts.asked == [None, "bytes=1000-", f"bytes={2**20}-", f"bytes={2**20}-"]
    assert set(cuts.versions) == {f'"{file.etag}"'}


def test_a_stream_that_is_cut_at_the_very_end_is_whole(store: S3Objects, clients: Clients, bucket: str) -> None:
    file = listed(store, bucket)["config.json"]
    promised = FILES["config.json"] + b"?"
    with answered(clients, Cuts(promised, 2)):
        assert b"".join(source(store, bucket).read(file, CancelToken())) == FILES["config.json"]


def test_a_stream_that_is_cut_again_and_again_is_given_up(store: S3Objects, clients: Clients, bucket: str) -> None:
    file = listed(store, bucket)["model.safetensors"]
    with answered(clients, cuts := Cuts(WEIGHTS, 7, *[0] * 20)), pytest.raises(UnreachableError, match="broke while"):
        b"".join(source(store, bucket).read(file, CancelToken()))
    assert len(cuts.asked) == 5


def test_without_its_version_a_cut_stream_is_not_taken_up(store: S3Objects, clients: Clients, bucket: str) -> None:
    file = ModelFile("model.safetensors", len(WEIGHTS))
    with answered(clients, cuts := Cuts(WEIGHTS, 7)), pytest.raises(StreamCutError):
        b"".join(source(store, bucket).read(file, CancelToken()))
    assert len(cuts.asked) == 1


def test_an_object_that_changes_before_it_is_read_is_refused(store: S3Objects, bucket: str, aws: Aws) -> None:
    file = listed(store, bucket)["model.safetensors"]
    aws.s3.put_object(Bucket=bucket, Key=f"{PREFIX}model.safetensors", Body=WEIGHTS[::-1])
    with pytest.raises(SagewizardError, match=f"s3://{bucket}/{PREFIX}model.safetensors changed since"):
        b"".join(source(store, bucket).read(file, CancelToken()))


def test_an_object_that_changes_while_it_is_read_is_refused(
    store: S3Objects, clients: Clients, bucket: str, aws: Aws
) -> None:
    file = listed(store, bucket)["model.safetensors"]
    with answered(clients, Cuts(WEIGHTS, 1000)):
        pieces = source(store, bucket).read(file, CancelToken())
        assert next(pieces) == WEIGHTS[:1000]
        aws.s3.put_object(Bucket=bucket, Key=f"{PREFIX}model.safetensors", Body=WEIGHTS[::-1])
        with pytest.raises(ObjectChangedError, match="changed since"):
            b"".join(pieces)


@pytest.mark.parametrize("listed_bytes", [1, 3])
def test_an_object_of_another_size_than_listed_is_refused(store: S3Objects, bucket: str, listed_bytes: int) -> None:
    file = ModelFile("config.json", listed_bytes, etag=listed(store, bucket)["config.json"].etag)
    with pytest.raises(SagewizardError, match="bytes"):
        b"".join(source(store, bucket).read(file, CancelToken()))


def test_names_that_lead_elsewhere_are_refused(store: S3Objects, bucket: str) -> None:
    with pytest.raises(RefusedError, match="unusable name"):
        next(source(store, bucket).read(ModelFile("../tiny-too/config.json", 2), CancelToken()))


def test_what_is_not_there_is_told_of(store: S3Objects, bucket: str, aws: Aws) -> None:
    with pytest.raises(NotFoundError, match=f"s3://{bucket}/absent"):
        store.read(bucket, "absent", 0, 10, None, CancelToken())
    with pytest.raises(NotFoundError):
        next(source(store, bucket).read(ModelFile("absent", 2, etag="0" * 32), CancelToken()))
    absent = aws.name("absent")
    for look in (store.list, store.prefixes):
        with pytest.raises(NotFoundError, match=f"s3://{absent}/"):
            look(absent, "", CancelToken())


def test_what_may_not_be_read_is_told_of(store: S3Objects, clients: Clients, bucket: str) -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>no s3:GetObject</Message></Error>"
    with answered(clients, lambda request: response(request, 403, body)):
        with pytest.raises(AccessError, match="no s3:GetObject"):
            store.read(bucket, f"{PREFIX}config.json", 0, 2, None, CancelToken())
        with pytest.raises(AccessError, match="list s3://"):
            store.list(bucket, PREFIX, CancelToken())
        with pytest.raises(AccessError, match="list the account's buckets"):
            store.buckets(CancelToken())


def test_reading_stops_when_asked(store: S3Objects, bucket: str) -> None:
    stopped = CancelToken()
    file = listed(store, bucket)["model.safetensors"]
    pieces = source(store, bucket).read(file, stopped)
    next(pieces)
    stopped.cancel()
    with pytest.raises(CancelledByUser):
        b"".join(pieces)
    for look in (store.list, store.prefixes):
        with pytest.raises(CancelledByUser):
            look(bucket, PREFIX, stopped)
    with pytest.raises(CancelledByUser):
        store.buckets(stopped)
    with pytest.raises(CancelledByUser):
        store.read(bucket, f"{PREFIX}config.json", 0, 2, None, stopped)


def test_prefixes_are_offered_one_part_at_a_time(store: S3Objects, bucket: str) -> None:
    assert store.prefixes(bucket, "", CancelToken()) == ("models/",)
    assert store.prefixes(bucket, "models/ti", CancelToken()) == ("models/tiny-too/", "models/tiny/")
    assert store.prefixes(bucket, PREFIX, CancelToken()) == (f"{PREFIX}sub/",)
    assert store.prefixes(bucket, f"{PREFIX}sub/", CancelToken()) == ()


def test_no_more_prefixes_are_offered_than_anybody_reads(store: S3Objects, bucket: str, aws: Aws) -> None:
    for number in range(203):
        aws.s3.put_object(Bucket=bucket, Key=f"many/{number:03}/x", Body=b"")
    found = store.prefixes(bucket, "many/", CancelToken())
    assert (len(found), found[0], found[-1]) == (200, "many/000/", "many/199/")


def test_the_buckets_of_the_account_are_named(store: S3Objects, bucket: str, aws: Aws) -> None:
    other = aws.bucket()
    found = store.buckets(CancelToken())
    assert {bucket, other} <= set(found)
    assert list(found) == sorted(found)
