"""The core calls that screens make, each as one function that imports what it needs when it is run.

They run on background threads (`tui.background`). The imports are late because boto3 and the Hub's client take longer
to load than the first screen takes to appear.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from core.cancellation import CancelToken
from core.errors import SagewizardError
from tui.context import AppContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.account import Account
    from core.aws.logs import LogLine
    from core.aws.roles import Role
    from core.deployments.events import Emit
    from core.deployments.ledger import Deployment, Resource
    from core.deployments.plan import Plan
    from core.endpoints.conversation import Conversation
    from core.endpoints.desk import EndpointSummary
    from core.endpoints.details import EndpointDetails
    from core.instances.offers import Offers
    from core.models.facts import ModelFacts, WeightSet
    from core.models.hub import HubClient
    from core.models.local_places import Place
    from core.models.search import SearchPage, SearchQuery
    from tui.draft import Draft


def open_account(context: AppContext) -> "Account":
    """Return the account of the session; the sandbox is started when it is not running."""
    from core import account

    return account.open_account(sandbox=context.sandbox, profile=context.profile, region=context.region)


def list_endpoints(account: "Account") -> "tuple[EndpointSummary, ...]":
    """Return the endpoints of the account in its region."""
    from core.endpoints import desk

    return desk.list_endpoints(account)


def inspect_model(
    text: str, hub: "Callable[[], HubClient]", account: "Account | None", cancel: CancelToken
) -> "tuple[ModelFacts, WeightSet]":
    """Return the facts of the model that `text` names, and what of it would be packaged.

    A model in S3 is read with the `account`, where one is open.
    """
    from core.aws.object_reading import S3Objects
    from core.models import inspection
    from core.models.reference import parse_reference
    from core.models.weight_set import select_weight_set

    objects = S3Objects(account.clients) if account else None
    facts = inspection.inspect_model(parse_reference(text), hub(), cancel, objects)
    return facts, select_weight_set(facts)


def fetch_offers(account: "Account", cancel: CancelToken) -> "Offers":
    """Return the account's prices and quotas."""
    from core.instances import offers

    return offers.fetch_offers(account.clients, cancel=cancel)


def list_roles(account: "Account") -> "tuple[Role, ...]":
    """Return the roles of the account that SageMaker may use."""
    from core.aws import roles

    return roles.list_roles(account.clients)


def check_role(account: "Account", text: str) -> "Role":
    """Return the role that `text` names, once SageMaker is seen to be allowed to take it on.

    Raises:
        SagewizardError: there is no such role, it is another account's, or it does not trust SageMaker.
    """
    from core.aws import roles

    role = roles.find_role(account.clients, text)
    roles.check_trust(account.clients, role)
    return role


def make_plan(account: "Account", draft: "Draft") -> "Plan":
    """Return the plan that the draft's answers make.

    Raises:
        RefusedError: the model or the instances are not known yet, or a check says no.
    """
    from core.deployments import planner
    from core.errors import RefusedError
    from tui.draft import GivenRole

    if draft.facts is None or draft.weights is None or draft.table is None:
        raise RefusedError("The model has not been looked at yet.", fix="Go back to the first step.")
    choices = planner.Choices(
        name=draft.name,
        instance_type=draft.instance_type,
        instance_count=draft.instance_count,
        role=draft.role.arn if isinstance(draft.role, GivenRole) else None,
        context=draft.context,
        concurrency=draft.concurrency,
        convert=draft.convert,
        form=draft.form,
    )
    return planner.make_plan(draft.facts, draft.weights, draft.table, choices, account)


def save_plan(plan: "Plan", path: Path) -> Path:
    """Write the plan to a file, as JSON where its name says so, else as YAML; return its path.

    Raises:
        SagewizardError: the file exists, or cannot be written.
    """
    from core.deployments.plan_file import plan_to_json, plan_to_yaml

    text = plan_to_json(plan) if path.suffix == ".json" else plan_to_yaml(plan)
    path = path.expanduser()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise SagewizardError(f"There is already a file {path}.", fix="Give another name.") from error
    except OSError as error:
        raise SagewizardError(
            f"{path} cannot be written: {error.strerror}.", fix="Give a path in a folder of yours."
        ) from error
    return path


def deploy(
    plan: "Plan", account: "Account", hub: "Callable[[], HubClient]", emit: "Emit", cancel: CancelToken
) -> "Deployment":
    """Run the plan until its endpoint is in service; what it made is removed again when it fails."""
    from core.deployments import runner

    return runner.deploy(plan, account, hub(), emit=emit, cancel=cancel)


def resume(
    deployment: str, account: "Account", hub: "Callable[[], HubClient]", emit: "Emit", cancel: CancelToken
) -> "Deployment":
    """Go on with the deployment of that id, from what it has made, until its endpoint is in service."""
    from core.deployments import runner

    return runner.resume(deployment, account, hub(), emit=emit, cancel=cancel)


def unfinished_deployments(account: "Account") -> "tuple[tuple[Deployment, SagewizardError], ...]":
    """Return what was begun in this account and region and can be gone on with, oldest first, each with why it ended.

    What has an endpoint already is left out: that is among the endpoints.
    """
    from core.deployments.ledger import list_deployments

    here, found = (account.identity().account_id, account.region), []
    for deployment in reversed(list_deployments(account.ledgers)):
        kinds = {resource.kind for resource in deployment.existing}
        if (deployment.account_id, deployment.region) != here or not kinds or "endpoint" in kinds:
            continue
        on, off = (account.command(f"{verb} {deployment.id}") for verb in ("resume", "rollback"))
        fix = f"Go on from here with {on}; {off} removes what is there."
        if deployment.status == "interrupted":
            found.append((deployment, SagewizardError("The program ended before this was done.", fix=fix)))
        elif deployment.status == "failed" and f"resume {deployment.id}" in (deployment.fix or ""):
            found.append((deployment, SagewizardError(deployment.cause or "It failed.", fix=deployment.fix or fix)))
    return tuple(found)


def may_be_left(account: "Account", deployment: str) -> bool:
    """Return whether, by its ledger, something of a deployment may still exist. A run that made nothing has none."""
    from core.deployments.ledger import list_deployments

    return any(found.existing for found in list_deployments(account.ledgers) if found.id == deployment)


def show_endpoint(account: "Account", name: str) -> "EndpointDetails":
    """Return all that is known of one endpoint."""
    from core.endpoints import desk

    return desk.show_endpoint(account, name)


def start_conversation(account: "Account", name: str) -> "tuple[EndpointDetails, Conversation]":
    """Return an endpoint and a new conversation with it, in the way it is talked to."""
    from core.endpoints import desk
    from core.endpoints.conversation import Conversation
    from core.endpoints.dialects import dialect_of

    details = desk.show_endpoint(account, name)
    return details, Conversation(account, name, dialect_of(details))


def what_would_go(account: "Account", name: str) -> "tuple[Resource, ...]":
    """Return what deleting the endpoint would remove."""
    from core.endpoints import removal

    return removal.what_would_go(account, name)


def delete_endpoint(account: "Account", name: str, emit: "Emit", cancel: CancelToken) -> "tuple[Resource, ...]":
    """Delete the endpoint and what was made for it; return what could not be deleted."""
    from core.endpoints import removal

    return removal.delete_endpoint(account, name, emit=emit, cancel=cancel)


def follow_logs(account: "Account", name: str, cancel: CancelToken) -> "Iterator[LogLine]":
    """Yield the lines of an endpoint's container log, and new ones as they come, until stopped."""
    from core.endpoints import desk

    return desk.follow_logs(account, name, cancel=cancel, follow=True)


def search_models(query: "SearchQuery", hub: "Callable[[], HubClient]", cancel: CancelToken) -> "SearchPage":
    """Return the first page of the models on the Hub that the query describes."""
    from core.models import search

    return search.search_models(query, hub(), cancel)


def more_models(page: "SearchPage", hub: "Callable[[], HubClient]", cancel: CancelToken) -> "SearchPage":
    """Return the page of models after `page`."""
    from core.models import search

    return search.more_models(page, hub(), cancel)


def list_places(text: str, account: "Account | None", cancel: CancelToken) -> "tuple[Place, ...]":
    """Return the folders of this machine, or the buckets and prefixes in S3, that go on from what is typed.

    Raises:
        SagewizardError: S3 is meant, and no account is open or it does not say.
    """
    from core.models.local_places import folders_like

    if not text.startswith("s3://"):
        return folders_like(text)
    if account is None:
        raise SagewizardError("No account is open to look into S3 with.")
    from core.aws.object_reading import S3Objects
    from core.models.stored_places import prefixes_like

    return prefixes_like(text, S3Objects(account.clients), cancel)


def fetch_card(text: str, revision: str | None, hub: "Callable[[], HubClient]", cancel: CancelToken) -> str:
    """Return the card of the model that `text` names as Markdown that is safe to show; empty when it has none."""
    from core.models import card
    from core.models.reference import parse_reference

    return card.fetch_card(parse_reference(text), revision, hub(), cancel).readable
