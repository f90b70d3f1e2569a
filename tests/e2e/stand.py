"""Runs of plans against the real sandbox, by core's own functions: an account, a model, and what came of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.account import Account
from core.aws.clients import Clients, StaticCredentials
from core.cancellation import CancelToken
from core.deployments.events import Event, Stage
from core.deployments.ledger import Deployment, Ledger, find_deployment
from core.deployments.plan import Plan
from core.deployments.planner import Choices, make_plan
from core.deployments.removal import remove_resources
from core.deployments.runner import deploy
from core.instances.offers import fetch_offers
from core.instances.survey import survey
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import FolderReference, ModelReference
from core.models.weight_set import select_weight_set
from core.sandbox import daemon
from core.serving.engines import DEPLOYABLE
from tests.e2e.small_model import ECHO, write_model, write_template
from tests.inventory import left_of
from tests.s3_front import S3Front


@dataclass
class Stand:
    """An account in the sandbox and a model to deploy to it."""

    account: Account
    folder: Path
    hub: HubClient = field(default_factory=HubClient)
    events: list[Event] = field(default_factory=list)

    def plan(self, name: str, *, code: str = ECHO, **choices: Any) -> Plan:
        model = self.folder / "model"
        if not model.exists():
            write_model(model)
        return self.plan_of(FolderReference(model), name, code=code, **choices)

    def plan_of(self, model: ModelReference, name: str, *, code: str = ECHO, **choices: Any) -> Plan:
        template = write_template(self.folder / f"template-{name}", code)
        facts = inspect_model(model, self.hub, CancelToken())
        weights = select_weight_set(facts)
        offers = fetch_offers(self.account.clients, cancel=CancelToken())
        table = survey(facts, weights, offers, engines=DEPLOYABLE)
        return make_plan(facts, weights, table, Choices(name=name, template=str(template), **choices), self.account)

    def deploy(self, plan: Plan, *, cancel: CancelToken | None = None, wait: bool = True, rollback: bool = True) -> str:
        made = deploy(
            plan,
            self.account,
            self.hub,
            emit=self.events.append,
            cancel=cancel or CancelToken(),
            wait=wait,
            rollback=rollback,
        )
        return made.id

    def through(self, front: S3Front) -> Account:
        """The same account, with every request of its clients passing through the front."""
        clients = Clients(region=self.account.region, endpoint_url=front.url, credentials=self.credentials)
        return Account(clients, label="sandbox", ledgers=self.account.ledgers, sandbox=True)

    @property
    def credentials(self) -> StaticCredentials:
        """The credentials of the sandbox that runs."""
        running = daemon.status()
        assert running is not None
        return StaticCredentials(running.access_key_id, running.secret_access_key)

    def remove(self, identifier: str) -> None:
        with Ledger.reopen(self.account.ledgers, identifier) as ledger:
            left = remove_resources(ledger, self.account, emit=self.events.append, cancel=CancelToken())
            assert left == (), [event.message for event in self.events if event.kind == "warning"]

    def stages(self, kind: str) -> list[Stage]:
        """The stages of the events of a kind, in order."""
        return [event.stage for event in self.events if event.kind == kind]

    def recorded(self, name: str) -> Deployment | None:
        """What the ledgers say may exist of the endpoint."""
        account_id = self.account.identity().account_id
        return find_deployment(self.account.ledgers, name, region="us-east-1", account_id=account_id)

    def left_of(self, name: str) -> list[str]:
        """What the account has of the endpoint; of the artifacts that its deployments made or use, the folders."""
        return left_of(self.account.clients.get, name, self.account.ledgers)
