"""One run of a plan: what all its steps work with, and how its ledger is kept true."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from core.account import Account
from core.aws import buckets
from core.aws.failures import is_final_no
from core.aws.tags import resource_tags
from core.cancellation import CancelToken
from core.deployments.ledger import Ledger, ResourceKind
from core.deployments.plan import Plan
from core.deployments.reporting import Reporter
from core.errors import SagewizardError
from core.models.hub import HubClient

ARCHIVE_NAME = "model.tar.gz"


@dataclass(frozen=True, slots=True)
class Run:
    """What every step of one run works with."""

    plan: Plan
    account: Account
    hub: HubClient
    ledger: Ledger
    report: Reporter
    cancel: CancelToken

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of everything this run makes."""
        return resource_tags(
            deployment_id=self.ledger.deployment.id,
            model=self.plan.model.reference,
            dialect=self.plan.container.dialect,
            engine=self.plan.container.engine,
        )

    @contextmanager
    def making(self, kind: ResourceKind, name: str, *, in_one: bool = True) -> Iterator[None]:
        """Keep the ledger true around what makes a resource: one request, or several when not `in_one`."""
        self.cancel.check()
        self.ledger.record(kind, name, "creating")
        try:
            yield
        except SagewizardError as error:
            # Without such an answer we cannot know: its tags will tell, should it have to be removed.
            if in_one and is_final_no(error.__cause__ or error):
                self.ledger.record(kind, name, "absent")
            raise
        self.ledger.record(kind, name, "created")

    @property
    def destination(self) -> tuple[str, str]:
        """The bucket and the key that the archive goes to; no other run ever writes to that key.

        Raises:
            AccessError, UnreachableError: the account's number, part of its default bucket's name, is not known.
        """
        account = self.account
        bucket = self.plan.artifact.bucket
        if bucket is None:
            bucket = buckets.default_bucket_name(account.region, account.identity().account_id)
        return bucket, f"{self.plan.artifact.key_prefix}{self.ledger.deployment.id}/{ARCHIVE_NAME}"
