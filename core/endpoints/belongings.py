"""What belongs to an endpoint and to nothing else: found by tags, for endpoints whose ledger is not on this machine."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from core.account import Account
from core.artifacts.artifact_folder import ArtifactFolder, users
from core.aws import buckets, hosting, roles
from core.aws.clients import Clients
from core.aws.tags import DEPLOYMENT, is_ours
from core.cancellation import CancelToken
from core.deployments.ledger import Resource
from core.endpoints.details import Parts, look_up
from core.errors import AccessError, NotFoundError

_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Used:
    """What other endpoints are made of: names of configs and models, ARNs of roles, URIs of model data."""

    configs: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()


def belongings(account: Account, parts: Parts, *, cancel: CancelToken) -> tuple[Resource, ...]:
    """Return the endpoint, and what was made for it and is used by no other, in the order in which it can be deleted.

    What does not carry the tag of the deployment that made the endpoint stays; of an endpoint that sagewizard did not
    make, everything but itself. A bucket goes when sagewizard made it; only if it is empty then.

    Raises:
        CancelledByUser: stopping was asked for.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    clients = account.clients
    found = [Resource("endpoint", parts.endpoint.name, "created")]
    deployment = parts.tags.get(DEPLOYMENT)
    if not deployment:
        return tuple(found)
    used = _used_by_others(clients, parts.endpoint.name, cancel)

    def is_its(tags: Mapping[str, str]) -> bool:
        cancel.check()
        return tags.get(DEPLOYMENT) == deployment

    if (config := parts.config) and config.name not in used.configs and is_its(_tags(clients, config.arn)):
        found.append(Resource("endpoint_config", config.name, "created"))
    its_models = [
        model for model in parts.models if model.name not in used.models and is_its(_tags(clients, model.arn))
    ]
    found += [Resource("model", model.name, "created") for model in its_models]
    account_id = account.identity().account_id
    role_arns = {model.role_arn for model in its_models if model.role_arn} - used.roles
    for name in sorted(arn.rpartition("/")[2] for arn in role_arns):
        if is_its(_role_tags(clients, name)):
            found.append(Resource("role", name, "created"))
    data = {item.model_data_uri for model in its_models for item in model.containers if item.model_data_uri}
    bucket_names = set()
    for uri in sorted(data):
        folder = ArtifactFolder.around(uri)
        noted = _users(clients, folder, account_id) if folder else set()
        # An endpoint that somebody else made of the same artifact has not noted itself.
        if folder and deployment in noted and (uri not in used.data or len(noted) > 1):
            found.append(Resource("object", folder.uri, "created"))
            bucket_names.add(folder.bucket)
    for bucket in sorted(bucket_names):
        if is_ours(buckets.bucket_tags(clients, bucket, account_id)):
            found.append(Resource("bucket", bucket, "created"))
    return tuple(found)


def _used_by_others(clients: Clients, name: str, cancel: CancelToken) -> Used:
    others = [item.name for item in hosting.list_endpoints(clients) if item.name != name]

    def parts_of(other: str) -> Parts | None:
        cancel.check()
        try:
            return look_up(clients, other)
        except NotFoundError:  # deleted meanwhile
            return None

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="endpoints") as pool:
        known = [parts for parts in pool.map(parts_of, others) if parts is not None]
    models = [model for parts in known for model in parts.models]
    return Used(
        configs=frozenset(parts.endpoint.config_name for parts in known if parts.endpoint.config_name),
        models=frozenset(model.name for model in models),
        roles=frozenset(model.role_arn for model in models if model.role_arn),
        data=frozenset(item.model_data_uri for model in models for item in model.containers if item.model_data_uri),
    )


def _users(clients: Clients, folder: ArtifactFolder, account_id: str) -> set[str]:
    """Return who uses an artifact; nobody where that may not be looked at: the artifact then stays."""
    try:
        return set(users(clients, folder, account_id))
    except AccessError:
        return set()


def _role_tags(clients: Clients, name: str) -> Mapping[str, str]:
    """Return a role's tags; none where they may not be read: a role of ours then stays, which costs nothing."""
    try:
        return roles.role_tags(clients, name) or {}
    except AccessError:
        return {}


def _tags(clients: Clients, arn: str) -> Mapping[str, str]:
    try:
        return hosting.resource_tags(clients, arn)
    except NotFoundError:
        return {}
