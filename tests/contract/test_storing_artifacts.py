"""Artifacts stored in the sandbox's S3 by themselves: what is there already is looked at before it is believed."""

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from core.artifacts.artifact_folder import ArtifactFolder
from core.artifacts.checkpoint import ArchiveCheckpoint
from core.artifacts.counter import Counter, Passed
from core.artifacts.storing_archive import store_archive
from core.artifacts.storing_tree import store_tree
from core.artifacts.tree import Member
from core.aws.clients import Clients
from core.aws.object_writing import ObjectWriter
from core.cancellation import CancelToken
from tests.model_contents import far_member

_PART = 16 * 2**20
_NOISE = random.Random(5).randbytes(2**20)
_CONTENT = {
    "a.safetensors": _NOISE * 17,
    "b.safetensors": _NOISE[::-1] * 17,
    "config.json": b"{}",
}


@pytest.fixture
def writer(clients: Clients) -> ObjectWriter:
    bucket = f"bucket-{uuid4().hex[:12]}"
    clients.get("s3").create_bucket(Bucket=bucket)
    return ObjectWriter(clients, bucket, account_id="123456789012", tags={}, metadata={}, cancel=CancelToken())


@pytest.fixture
def folder(writer: ObjectWriter) -> ArtifactFolder:
    return ArtifactFolder(writer.bucket, "artifact/")


@pytest.fixture
def members() -> tuple[Member, ...]:
    return tuple(far_member(path, data) for path, data in _CONTENT.items())


def stored_at(writer: ObjectWriter, key: str) -> bytes:
    found: bytes = writer.clients.get("s3").get_object(Bucket=writer.bucket, Key=key)["Body"].read()
    return found


def unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        return {item.name: file.read() for item in tar if (file := tar.extractfile(item)) is not None}


def stored_as_tree(writer: ObjectWriter, folder: ArtifactFolder, members: tuple[Member, ...]) -> None:
    store_tree(
        members,
        folder,
        writer,
        packed=Counter(members),
        stored=Counter(members),
        unreadable=lambda: None,
        throttle=None,
        cancel=CancelToken(),
    )


def archived(
    writer: ObjectWriter,
    folder: ArtifactFolder,
    members: tuple[Member, ...],
    checkpoint: ArchiveCheckpoint | None,
    note: Callable[[ArchiveCheckpoint], None] = lambda _: None,
) -> dict[str, bytes]:
    store_archive(
        members,
        folder,
        writer,
        checkpoint=checkpoint,
        note=note,
        packed=Counter(members),
        stored=Counter(members),
        unreadable=lambda: None,
        throttle=None,
        cancel=CancelToken(),
    )
    return unpacked(stored_at(writer, folder.data_key("archive")))


@pytest.mark.parametrize("form", ["archive", "tree"])
def test_progress_is_told_within_parts(
    writer: ObjectWriter, folder: ArtifactFolder, members: tuple[Member, ...], form: str
) -> None:
    packed: list[Passed] = []
    stored: list[Passed] = []
    counters = {"packed": Counter(members, packed.append), "stored": Counter(members, stored.append)}
    about: dict[str, Any] = {**counters, "unreadable": lambda: None, "throttle": None, "cancel": CancelToken()}
    if form == "archive":
        store_archive(members, folder, writer, checkpoint=None, note=lambda _: None, **about)
    else:
        store_tree(members, folder, writer, **about)
    total = sum(map(len, _CONTENT.values()))
    for told in (packed, stored):
        done = [passed.done for passed in told]
        assert done == sorted(done)
        assert done[-1] == total
        steps = [later - earlier for earlier, later in zip([0, *done], done, strict=False)]
        assert max(steps) <= 2**20, "of a part of 16 MiB much is told before it is there"


def test_a_part_of_a_file_that_holds_something_else_is_sent_again(
    writer: ObjectWriter, folder: ArtifactFolder, members: tuple[Member, ...]
) -> None:
    key = f"{folder.data_key('prefix')}a.safetensors"
    writer.put_part(key, writer.begin(key), 1, [bytes(_PART)])
    stored_as_tree(writer, folder, members)
    assert {path: stored_at(writer, folder.data_key("prefix") + path) for path in _CONTENT} == _CONTENT


def test_a_part_of_an_archive_that_holds_something_else_is_sent_again(
    writer: ObjectWriter, folder: ArtifactFolder, members: tuple[Member, ...]
) -> None:
    key = folder.data_key("archive")
    writer.put_part(key, writer.begin(key), 1, [bytes(_PART)])
    assert archived(writer, folder, members, None) == _CONTENT


def test_a_checkpoint_before_which_s3_lacks_a_part_is_not_gone_on_from(
    writer: ObjectWriter, folder: ArtifactFolder, members: tuple[Member, ...]
) -> None:
    told: list[ArchiveCheckpoint] = []
    archived(writer, ArtifactFolder(writer.bucket, "another/"), members, None, told.append)
    place = told[-1]
    assert place.part > 1, "it is one from which something would be left out"
    upload = writer.begin(folder.data_key("archive"))
    claimed = ArchiveCheckpoint(upload, place.part, place.crc32, place.bytes)
    assert archived(writer, folder, members, claimed) == _CONTENT


def test_a_checkpoint_of_an_upload_that_is_gone_is_not_gone_on_from(
    writer: ObjectWriter, folder: ArtifactFolder, members: tuple[Member, ...]
) -> None:
    told: list[ArchiveCheckpoint] = []
    archived(writer, ArtifactFolder(writer.bucket, "another/"), members, None, told.append)
    key = folder.data_key("archive")
    upload = writer.begin(key)
    writer.abort(key, upload)
    claimed = ArchiveCheckpoint(upload, told[-1].part, told[-1].crc32, told[-1].bytes)
    assert archived(writer, folder, members, claimed) == _CONTENT


def test_an_object_of_another_size_is_replaced(
    writer: ObjectWriter, folder: ArtifactFolder, members: tuple[Member, ...]
) -> None:
    writer.put(f"{folder.data_key('prefix')}config.json", [b"{"])
    stored_as_tree(writer, folder, members)
    assert stored_at(writer, f"{folder.data_key('prefix')}config.json") == b"{}"
