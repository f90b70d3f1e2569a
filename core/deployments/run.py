"""One run of a plan: what all its steps work with, and how its ledger is kept true."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from core.account import Account
from core.artifacts.artifact_folder import ArtifactFolder
from core.artifacts.manifest import Recipe
from core.aws import buckets
from core.aws.failures import is_final_no
from core.aws.tags import resource_tags
from core.cancellation import CancelToken
from core.deployments.ledger import Ledger, Resource, ResourceKind
from core.deployments.plan import Plan
from core.deployments.reporting import Reporter
from core.errors import SagewizardError
from core.models.hub import HubClient
from core.models.reference import FolderReference, parse_reference
from core.throttle import Throttle


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """What the making of the artifact may use: bytes per second each way, and bytes of disk; `None` for no limit."""

    bytes_per_second: int | None = None
    disk_bytes: int | None = None

    def throttle(self) -> Throttle | None:
        """Return what slows one direction down; `None` where nothing does."""
        return None if self.bytes_per_second is None else Throttle(self.bytes_per_second)


NO_LIMITS: Final = TransferLimits()


@dataclass(frozen=True, slots=True)
class Run:
    """What every step of one run works with."""

    plan: Plan
    account: Account
    hub: HubClient
    ledger: Ledger
    report: Reporter
    cancel: CancelToken
    limits: TransferLimits = NO_LIMITS
    resumed: bool = False
    """Whether an earlier run of the same deployment left something to go on with."""

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of everything this run makes."""
        return resource_tags(
            deployment_id=self.ledger.deployment.id,
            model=self.plan.model.reference,
            dialect=self.plan.container.dialect,
            engine=self.plan.container.engine,
        )

    def begun(self, kind: ResourceKind) -> Resource | None:
        """Return the last resource of a kind that an earlier part of this deployment began to make, if it may exist."""
        found = [resource for resource in self.ledger.deployment.existing if resource.kind == kind]
        return found[-1] if found else None

    def made(self, kind: ResourceKind) -> Resource | None:
        """Return the resource of a kind that an earlier part of this deployment has made."""
        found = self.begun(kind)
        return found if found and found.state == "created" else None

    @contextmanager
    def making(self, kind: ResourceKind, name: str, *, in_one: bool = True) -> Iterator[None]:
        """Keep the ledger true around what makes a resource: one request, or several when not `in_one`."""
        self.cancel.check()
        begun = self.begun(kind) is not None
        self.ledger.record(kind, name, "creating")
        try:
            yield
        except SagewizardError as error:
            # Without such an answer we cannot know: its tags will tell, should it have to be removed.
            if in_one and not begun and is_final_no(error.__cause__ or error):
                self.ledger.record(kind, name, "absent")
            raise
        self.ledger.record(kind, name, "created")

    @property
    def bucket(self) -> str:
        """The bucket that the artifact goes to.

        Raises:
            AccessError, UnreachableError: the account's number, part of its default bucket's name, is not known.
        """
        named = self.plan.artifact.bucket
        return named or buckets.default_bucket_name(self.account.region, self.account.identity().account_id)

    @property
    def recipe(self) -> Recipe:
        """What the artifact is made of. Where a local folder lies is nobody's business, and no part of it."""
        plan = self.plan
        here = isinstance(parse_reference(plan.model.reference), FolderReference)
        return Recipe(
            form=plan.artifact.form,
            template_sha256=plan.artifact.template_sha256,
            convert=plan.artifact.convert,
            source="" if here else plan.model.reference,
            files=plan.model.files,
            kms_key=plan.artifact.kms_key,
        )

    @property
    def folder(self) -> ArtifactFolder:
        """The folder in S3 that this run makes its artifact in; no other run ever writes there. Errors as `bucket`."""
        prefix = self.plan.artifact.key_prefix
        return ArtifactFolder.of(self.bucket, prefix, self.recipe, self.ledger.deployment.id)

    def key_to_read(self, folder: ArtifactFolder) -> str:
        """Return a key in an artifact's folder that the execution role must be able to read."""
        key = folder.data_key(self.plan.artifact.form)
        return f"{key}config.json" if key.endswith("/") else key
