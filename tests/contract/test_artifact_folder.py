"""Artifacts in S3 that several deployments share: found again, joined, left, and gone with the last of them."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from core.artifacts import artifact_folder
from core.artifacts.artifact_folder import ArtifactFolder, find_same, join, leave, users
from core.artifacts.manifest import Manifest, Recipe, StoredFile
from core.aws.clients import Clients
from core.aws.object_writing import ObjectWriter
from core.cancellation import CancelToken
from core.models.facts import ModelFile

_ACCOUNT = "123456789012"
_PREFIX = "sagemaker/sagewizard/model/"
_RECIPE = Recipe(
    form="archive",
    template_sha256="a" * 64,
    convert=False,
    source="org/model",
    files=(ModelFile("config.json", 2, git_sha1="b" * 40), ModelFile("model.safetensors", 7, sha256="c" * 64)),
)


@pytest.fixture
def writer(clients: Clients) -> ObjectWriter:
    bucket = f"bucket-{uuid4().hex[:12]}"
    clients.get("s3").create_bucket(Bucket=bucket)
    return ObjectWriter(clients, bucket, account_id=_ACCOUNT, tags={}, metadata={}, cancel=CancelToken())


def made(writer: ObjectWriter, deployment: str, *, recipe: Recipe = _RECIPE, finished: bool = True) -> ArtifactFolder:
    """Store an artifact as a deployment does."""
    folder = ArtifactFolder.of(writer.bucket, _PREFIX, recipe, deployment)
    artifact_folder.begin(writer, folder, deployment)
    written = writer.put(folder.data_key("archive"), [b"archive"])
    if finished:
        manifest = Manifest(recipe, (StoredFile("model.tar.gz", written.bytes, written.etag),), deployment)
        artifact_folder.finish(writer, folder, manifest)
    return folder


def found(writer: ObjectWriter, recipe: Recipe = _RECIPE) -> ArtifactFolder | None:
    def never(file: ModelFile) -> str | None:
        pytest.fail(f"{file.path} was read")

    same = find_same(writer.clients, writer.bucket, _PREFIX, recipe, digest_of=never, cancel=CancelToken())
    return same and same[0]


def keys(writer: ObjectWriter) -> list[str]:
    listed: Any = writer.clients.get("s3").list_objects_v2(Bucket=writer.bucket)
    return [item["Key"] for item in listed.get("Contents", ())]


def left(writer: ObjectWriter, folder: ArtifactFolder, deployment: str) -> bool:
    return leave(writer.clients, folder, deployment, _ACCOUNT, cancel=CancelToken())


def test_an_artifact_that_is_whole_is_found_the_newest_first(writer: ObjectWriter) -> None:
    assert found(writer) is None
    made(writer, "20260101-000000-aaaa")
    newest = made(writer, "20260102-000000-aaaa")
    made(writer, "20260103-000000-aaaa", finished=False)
    assert found(writer) == newest


@pytest.mark.parametrize(
    "wanted",
    [
        replace(_RECIPE, form="prefix"),
        replace(_RECIPE, convert=True),
        replace(_RECIPE, template_sha256="d" * 64),
        replace(_RECIPE, kms_key="alias/mine"),
        replace(_RECIPE, files=(_RECIPE.files[0], replace(_RECIPE.files[1], sha256="d" * 64))),
    ],
)
def test_another_artifact_is_not_found(writer: ObjectWriter, wanted: Recipe) -> None:
    made(writer, "20260101-000000-aaaa")
    assert found(writer, wanted) is None


def test_one_whose_data_is_gone_or_was_replaced_is_not_found(writer: ObjectWriter) -> None:
    folder = made(writer, "20260101-000000-aaaa")
    writer.put(folder.data_key("archive"), [b"another"])
    assert found(writer) is None
    writer.clients.get("s3").delete_object(Bucket=writer.bucket, Key=folder.data_key("archive"))
    assert found(writer) is None


def test_a_manifest_that_is_none_is_passed_over(writer: ObjectWriter) -> None:
    folder = made(writer, "20260101-000000-aaaa")
    for text in (b"", b"{}", b"\xff"):
        writer.put(f"{folder.prefix}manifest.json", [text])
        assert found(writer) is None


def test_a_file_of_the_model_that_has_its_name_is_no_manifest(writer: ObjectWriter) -> None:
    recipe = replace(_RECIPE, form="prefix")
    folder = ArtifactFolder.of(writer.bucket, _PREFIX, recipe, "20260101-000000-aaaa")
    there = writer.put(f"{folder.data_key('prefix')}model.tar.gz", [b"archive"])
    forged = Manifest(recipe, (StoredFile("model.tar.gz", there.bytes, there.etag),), "d")
    writer.put(f"{folder.data_key('prefix')}manifest.json", [forged.to_json()])
    assert found(writer, recipe) is None


def test_the_artifact_goes_with_the_last_who_uses_it(writer: ObjectWriter) -> None:
    folder = made(writer, "first")
    other = made(writer, "other", recipe=replace(_RECIPE, convert=True))
    assert join(writer, folder, "second")
    assert set(users(writer.clients, folder, _ACCOUNT)) == {"first", "second"}
    assert not left(writer, folder, "first")
    assert found(writer) == folder, "the second one uses it"
    assert left(writer, folder, "second")
    assert left(writer, folder, "second"), "it is safe to repeat"
    assert all(key.startswith(other.prefix) for key in keys(writer))
    assert keys(writer)


def test_who_joins_what_is_gone_is_told(writer: ObjectWriter) -> None:
    folder = made(writer, "first")
    assert left(writer, folder, "first")
    assert not join(writer, folder, "second")
    assert left(writer, folder, "second")
    assert keys(writer) == []


def test_who_joins_while_the_last_one_leaves_keeps_it(writer: ObjectWriter) -> None:
    folder = made(writer, "first")
    s3 = writer.clients.get("s3")
    joined: list[bool] = []

    def join_in_between(request: Any, **_: object) -> None:
        if not joined and "manifest.json" in str(request.body or request.url):
            joined.append(True)
            joined[0] = join(writer, folder, "second")

    s3.meta.events.register("before-send.s3.DeleteObjects", join_in_between)
    try:
        gone = left(writer, folder, "first")
    finally:
        s3.meta.events.unregister("before-send.s3.DeleteObjects", join_in_between)
    assert joined == [True]
    assert not gone
    assert found(writer) == folder


def test_an_upload_that_was_cut_off_goes_too(writer: ObjectWriter) -> None:
    folder = made(writer, "first", finished=False)
    writer.begin(folder.data_key("archive"))
    assert left(writer, folder, "first")
    assert writer.uploads(_PREFIX) == {}
    assert keys(writer) == []


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("s3://b/sagemaker/sagewizard/m/x-d/model.tar.gz", ArtifactFolder("b", "sagemaker/sagewizard/m/x-d/")),
        ("s3://b/sagemaker/sagewizard/m/x-d/model/", ArtifactFolder("b", "sagemaker/sagewizard/m/x-d/")),
        ("s3://b/model.tar.gz", None),
        ("s3://b/model/", None),
        ("s3://b/mine/weights.tar.gz", None),
        ("s3://b/mine/", None),
    ],
)
def test_the_folder_around_an_endpoints_data(uri: str, folder: ArtifactFolder | None) -> None:
    assert ArtifactFolder.around(uri) == folder
    if folder is not None:
        assert uri in {folder.data_uri("archive"), folder.data_uri("prefix")}
        assert ArtifactFolder.at(folder.uri) == folder
