"""What several benchmarks stand on: a model at hand, and its artifact stored by the program's own functions."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from core.artifacts.artifact_folder import ArtifactFolder
from core.artifacts.counter import Counter
from core.artifacts.manifest import ArtifactForm
from core.artifacts.storing import Stored
from core.artifacts.storing_archive import store_archive
from core.artifacts.storing_tree import store_tree
from core.artifacts.tree import Member
from core.aws.clients import Clients, StaticCredentials
from core.aws.object_writing import ObjectWriter
from core.cancellation import CancelToken
from core.models.facts import ModelFile
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import HubReference
from core.models.sources import FileSource, FolderSource, HubSource

FORMS: Final[tuple[ArtifactForm, ...]] = ("archive", "prefix")
ACCOUNT: Final = "123456789012"
BUCKET: Final = "benchmark"
NOBODY: Final = StaticCredentials("benchmark", "benchmark")
"""Credentials for an S3 that asks for none."""


def store(
    form: str,
    members: tuple[Member, ...],
    s3_url: str,
    account_id: str = ACCOUNT,
    credentials: StaticCredentials = NOBODY,
) -> Stored:
    """Store the members in the bucket `BUCKET`, in a folder that is named for the form and holds nothing yet.

    Errors as `store_archive` and `store_tree`.
    """
    cancel = CancelToken()
    clients = Clients(region="us-east-1", endpoint_url=s3_url, credentials=credentials)
    writer = ObjectWriter(clients, BUCKET, account_id=account_id, tags={}, metadata={}, cancel=cancel)
    folder = ArtifactFolder(BUCKET, f"{form}/")
    if form == "prefix":
        return store_tree(
            members,
            folder,
            writer,
            packed=Counter(members),
            stored=Counter(members),
            unreadable=lambda: None,
            throttle=None,
            cancel=cancel,
        )
    return store_archive(
        members,
        folder,
        writer,
        checkpoint=None,
        note=lambda _: None,
        packed=Counter(members),
        stored=Counter(members),
        unreadable=lambda: None,
        throttle=None,
        cancel=cancel,
    )


def members_at(source: str) -> tuple[Member, ...]:
    """Return the files of a local folder, or of `{address of a Hub}/{owner}/{model}` with the digests it states."""
    if "://" not in source:
        folder = Path(source)
        here = [ModelFile(path.name, path.stat().st_size) for path in sorted(folder.iterdir())]
        return members_of(FolderSource(folder), here)
    endpoint, owner, name = source.rsplit("/", 2)
    hub, reference = HubClient(endpoint), HubReference(f"{owner}/{name}")
    facts = inspect_model(reference, hub, CancelToken())
    assert facts.revision is not None
    return members_of(HubSource(reference.repository, facts.revision, hub), facts.files)


def members_of(source: FileSource, files: Iterable[ModelFile]) -> tuple[Member, ...]:
    """Return the files of a source as an artifact's members."""
    return tuple(Member(file.path, file.bytes, source.content(file), file) for file in files)
