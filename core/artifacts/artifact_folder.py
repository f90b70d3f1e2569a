"""The folder of an artifact in S3: what lies where in it, how the same artifact is found again, and who uses it.

    {key_prefix}{outline}-{deployment}/model.tar.gz           an archive, or
    {key_prefix}{outline}-{deployment}/model/…                the tree
    {key_prefix}{outline}-{deployment}/manifest.json          written last
    {key_prefix}{outline}-{deployment}/used-by/{deployment}   one for each deployment that uses it

A folder is made by one deployment; others may join it. Whoever leaves last takes it away. S3 is strongly consistent, so
that the two cannot miss each other: who joins notes itself first and then looks whether the manifest is there; who
leaves takes the manifest away first and then looks whether somebody has noted itself.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.artifacts.manifest import LARGEST_MANIFEST, ArtifactForm, Manifest, Recipe
from core.aws import objects
from core.aws.clients import Clients
from core.aws.object_reading import S3Objects
from core.aws.object_writing import ObjectWriter
from core.cancellation import CancelToken
from core.errors import CancelledByUser, NotFoundError, SagewizardError, UnreachableError
from core.models.facts import ModelFile

ARCHIVE_NAME: Final = "model.tar.gz"
TREE_NAME: Final = "model/"
_MANIFEST: Final = "manifest.json"
_USED_BY: Final = "used-by/"


@dataclass(frozen=True, slots=True)
class ArtifactFolder:
    """The folder of one artifact; `prefix` is its key prefix, ending in `/`."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, bucket: str, key_prefix: str, recipe: Recipe, deployment_id: str) -> "ArtifactFolder":
        """Return the folder of the artifact that a deployment makes; no other deployment ever makes one there."""
        return cls(bucket, f"{key_prefix}{recipe.outline}-{deployment_id}/")

    @classmethod
    def at(cls, uri: str) -> "ArtifactFolder":
        """Return the folder that `uri` names."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return cls(bucket, prefix)

    @classmethod
    def around(cls, data_uri: str) -> "ArtifactFolder | None":
        """Return the folder whose artifact `data_uri` names; `None` when it is not laid out as one of ours."""
        for name in (ARCHIVE_NAME, TREE_NAME):
            folder = data_uri.removesuffix(name)
            if folder != data_uri and folder.endswith("/") and folder.count("/") > 3:
                return cls.at(folder)
        return None

    @property
    def uri(self) -> str:
        """The folder's URI, ending in `/`."""
        return f"s3://{self.bucket}/{self.prefix}"

    def data_key(self, form: ArtifactForm) -> str:
        """Return the key of the archive, or the key prefix of the tree, ending in `/`."""
        return self.prefix + (ARCHIVE_NAME if form == "archive" else TREE_NAME)

    def data_uri(self, form: ArtifactForm) -> str:
        """Return the URI that SageMaker is given: the archive's, or the tree's, which ends in `/`."""
        return f"s3://{self.bucket}/{self.data_key(form)}"


def find_same(
    clients: Clients,
    bucket: str,
    key_prefix: str,
    recipe: Recipe,
    *,
    digest_of: Callable[[ModelFile], str | None],
    cancel: CancelToken,
) -> tuple[ArtifactFolder, Manifest] | None:
    """Return an artifact in the bucket that is whole and the one that the recipe would give, the newest one first.

    `digest_of` is as in `Manifest.is_of`.

    Raises:
        CancelledByUser: stopping was asked for.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    store = S3Objects(clients)
    try:
        stored = {item.key: item for item in store.list(bucket, f"{key_prefix}{recipe.outline}-", cancel)}
    except NotFoundError:  # no such bucket yet
        return None
    for key in sorted((key for key in stored if key.endswith(f"/{_MANIFEST}")), reverse=True):
        folder = ArtifactFolder(bucket, key.removesuffix(_MANIFEST))
        if folder.prefix.count("/") != key_prefix.count("/") + 1:
            continue  # a file of the model's own that has this name
        manifest = _manifest(store, folder, cancel)
        if manifest is None or not manifest.objects:
            continue
        data = folder.data_key(manifest.recipe.form)
        there = {key: (item.bytes, item.etag) for key, item in stored.items() if key.startswith(data)}
        told = {folder.prefix + item.name: (item.bytes, item.etag) for item in manifest.objects}
        if there == told and manifest.is_of(recipe, digest_of):
            return folder, manifest
    return None


def join(writer: ObjectWriter, folder: ArtifactFolder, deployment_id: str) -> bool:
    """Note that a deployment uses the artifact; return whether the artifact is still there.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    begin(writer, folder, deployment_id)
    return writer.object_at(folder.prefix + _MANIFEST) is not None


def begin(writer: ObjectWriter, folder: ArtifactFolder, deployment_id: str) -> None:
    """Note that a deployment makes the artifact. Errors as `join`."""
    writer.put(f"{folder.prefix}{_USED_BY}{deployment_id}", [b""])


def finish(writer: ObjectWriter, folder: ArtifactFolder, manifest: Manifest) -> None:
    """Write the manifest: from now on others may use the artifact. Errors as `join`."""
    writer.put(folder.prefix + _MANIFEST, [manifest.to_json()])


def leave(
    clients: Clients, folder: ArtifactFolder, deployment_id: str, account_id: str, *, cancel: CancelToken
) -> bool:
    """Take note that a deployment does not use the artifact any more, and delete it when none does.

    Uploads to it that were cut off are ended. Safe to repeat.

    Returns:
        Whether it is gone; not when another deployment uses it.

    Raises:
        CancelledByUser: stopping was asked for.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    bucket, prefix = folder.bucket, folder.prefix
    objects.delete_object(clients, bucket, f"{prefix}{_USED_BY}{deployment_id}", account_id)
    if users(clients, folder, account_id):
        return False
    manifest = objects.read_bytes(clients, bucket, prefix + _MANIFEST, account_id, limit=LARGEST_MANIFEST)
    if manifest is not None:
        objects.delete_object(clients, bucket, prefix + _MANIFEST, account_id)
        if users(clients, folder, account_id):  # somebody has joined meanwhile
            objects.write_bytes(clients, bucket, prefix + _MANIFEST, manifest, account_id)
            if users(clients, folder, account_id):  # and has not left again
                return False
    objects.delete_prefix(clients, bucket, prefix, account_id, cancel=cancel)
    return True


def users(clients: Clients, folder: ArtifactFolder, account_id: str) -> tuple[str, ...]:
    """Return the ids of the deployments that use the artifact.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    noted = f"{folder.prefix}{_USED_BY}"
    return tuple(key.removeprefix(noted) for key in objects.list_keys(clients, folder.bucket, noted, account_id))


def _manifest(store: S3Objects, folder: ArtifactFolder, cancel: CancelToken) -> Manifest | None:
    try:
        text = store.read(folder.bucket, folder.prefix + _MANIFEST, 0, LARGEST_MANIFEST, None, cancel)
    except (CancelledByUser, UnreachableError):
        raise
    except SagewizardError:  # gone meanwhile, or moved to where it cannot be read at once
        return None
    return Manifest.from_json(text)
