"""Fetches the model data of a container from S3 into a folder, as SageMaker does before it starts the container."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from core.sandbox.hosting import wording
from core.sandbox.hosting.unpacking import UnpackError, unpack

_CHUNK: Final = 1024 * 1024


class ArtifactError(Exception):
    """The model data could not be fetched; the text is the endpoint's failure reason."""


class _TimeIsUpError(Exception):
    pass


def fetch_artifact(
    container: Mapping[str, Any],
    s3: Any,
    folder: Path,
    *,
    variant: str,
    timeout: float,
    check: Callable[[], None],
) -> None:
    """Put the model data of a ContainerDefinition into `folder`, which exists and is empty.

    `s3` is a boto3 client. `timeout` (seconds) covers download and unpacking. `check` is called often and may raise to
    stop. A container without model data leaves the folder empty.

    Raises:
        ArtifactError: absent or unreadable data, a bad archive, or the time is up.
    """
    deadline = time.monotonic() + timeout

    def go_on() -> None:
        check()
        if time.monotonic() > deadline:
            raise _TimeIsUpError

    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    url = source.get("S3Uri") or container.get("ModelDataUrl")
    if not url:
        return
    compressed = source.get("CompressionType", "Gzip") == "Gzip"
    try:
        if compressed:
            _fetch_archive(s3, url, folder, go_on)
        elif source.get("S3DataType") == "S3Object":
            bucket, key = _split(url)
            _download(s3, bucket, key, folder / _safe(PurePosixPath(key).name, url), url, go_on)
        else:
            _fetch_prefix(s3, url, folder, go_on)
    except _TimeIsUpError:
        raise ArtifactError(wording.download_timed_out(variant, timeout)) from None


def _fetch_archive(s3: Any, url: str, folder: Path, check: Callable[[], None]) -> None:
    bucket, key = _split(url)
    archive = folder.with_name(f"{folder.name}.tar.gz")
    try:
        _download(s3, bucket, key, archive, url, check)
        unpack(archive, folder, check)
    except UnpackError as error:
        raise ArtifactError(wording.extract_failed(url, str(error))) from error
    finally:
        archive.unlink(missing_ok=True)


def _fetch_prefix(s3: Any, url: str, folder: Path, check: Callable[[], None]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, prefix = _split(url)
    found = False
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                found = True
                name = entry["Key"].removeprefix(prefix)
                if name and not name.endswith("/"):  # what consoles make to show a folder is no file
                    _download(s3, bucket, entry["Key"], folder / _safe(name, url), url, check)
    except (BotoCoreError, ClientError) as error:
        raise ArtifactError(wording.download_failed(url)) from error
    if not found:
        raise ArtifactError(wording.download_failed(url))


def _download(s3: Any, bucket: str, key: str, path: Path, url: str, check: Callable[[], None]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    check()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        answer = s3.get_object(Bucket=bucket, Key=key)
        with path.open("xb") as file:
            for chunk in answer["Body"].iter_chunks(_CHUNK):
                check()
                file.write(chunk)
    except (BotoCoreError, ClientError) as error:
        raise ArtifactError(wording.download_failed(url)) from error
    except OSError as error:  # a name that is a file and a folder, a full disk
        raise ArtifactError(f"{wording.download_failed(url)} ({key}: {error.strerror})") from error


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url, allow_fragments=False)
    if parts.scheme == "s3":
        return parts.netloc, parts.path.lstrip("/")
    # The other form that CreateModel takes: https://s3.REGION.amazonaws.com/BUCKET/KEY
    bucket, _, key = parts.path.lstrip("/").partition("/")
    return bucket, key


def _safe(name: str, url: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or "//" in name:
        raise ArtifactError(f"{wording.download_failed(url)} ({name!r} is no name of a file below the prefix)")
    return path
