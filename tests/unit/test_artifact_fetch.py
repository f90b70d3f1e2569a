import io
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from core.sandbox.hosting.artifact_fetch import ArtifactError, fetch_artifact
from tests.contract.hosting_plant import archive_of


class Bucket:
    """An S3 client whose one bucket `b` holds these objects; real servers do not keep names such as these."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def get_paginator(self, _name: str) -> "Bucket":
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803 - as boto3 has it
        return [{"Contents": [{"Key": key}]} for key in self.objects if key.startswith(Prefix)]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        if Bucket != "b" or Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": StreamingBody(io.BytesIO(self.objects[Key]), len(self.objects[Key]))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "outer" / "model"
    made.mkdir(parents=True)
    return made


def fetch(container: dict[str, Any], objects: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    fetch_artifact(container, Bucket(objects), folder, variant="v", timeout=60, check=lambda: None)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prefix(uri: str) -> dict[str, Any]:
    return {"ModelDataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}}}


@pytest.mark.parametrize("url", ["s3://b/m/model.tar.gz", "https://s3.us-east-1.amazonaws.com/b/m/model.tar.gz"])
def test_an_archive_is_unpacked_and_not_kept(folder: Path, url: str) -> None:
    found = fetch({"ModelDataUrl": url}, {"m/model.tar.gz": archive_of({"config.json": b"{}"})}, folder)
    assert found == {"config.json": b"{}"}
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_container_without_model_data_has_an_empty_folder(folder: Path) -> None:
    assert fetch({"Image": "x"}, {}, folder) == {}


def test_a_prefix_is_copied_without_its_name_and_without_folder_markers(folder: Path) -> None:
    objects = {"p/": b"", "p/config.json": b"{}", "p/code/": b"", "p/code/inference.py": b"1", "other/x": b"no"}
    assert fetch(prefix("s3://b/p/"), objects, folder) == {"config.json": b"{}", "code/inference.py": b"1"}


@pytest.mark.parametrize(
    "key", ["p/../escaped", "p/a/../../escaped", "p//etc/escaped", "p/a\0b", "p/config.json/inner"]
)
def test_hostile_keys_are_refused(folder: Path, key: str) -> None:
    with pytest.raises(ArtifactError, match="Failed to download model data"):
        fetch(prefix("s3://b/p/"), {"p/config.json": b"{}", key: b"x"}, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("container", [{"ModelDataUrl": "s3://b/absent"}, prefix("s3://b/absent/")])
def test_absent_data_is_told_in_the_words_of_aws(folder: Path, container: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r'for container "container_1" from URL: "s3://b/absent/?"\. Please ensure'):
        fetch(container, {}, folder)
