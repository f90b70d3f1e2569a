"""IAM: roles, users with their access keys, and the account's own policies, read from moto's memory and put back."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from core.sandbox.keeping.records import Records

_POLICY: Final = ("id", "description", "tags", "default_version_id", "next_version_num")
_ROLE: Final = (
    *("id", "path", "assume_role_policy_document", "tags", "description", "policies"),
    *("permissions_boundary_arn", "max_session_duration", "_linked_service"),
)
_USER: Final = ("id", "path", "policies", "password", "password_reset_required")
_KEY: Final = ("user_name", "access_key_id", "secret_access_key", "status", "role_arn")
_log = logging.getLogger(__name__)


class Identities:
    """What IAM holds of one account, kept in `records`."""

    def __init__(self, records: Records, account_id: str) -> None:
        self._records = records
        self._account_id = account_id
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Keep all that is there now; only what differs from before is written."""
        with self._lock:
            self._records.replace(self._describe())

    def _describe(self) -> Mapping[str, Mapping[str, Any]]:
        found: dict[str, dict[str, Any]] = {"policy": {}, "role": {}, "user": {}}
        for partition, backend in self._backends():
            own = [policy for policy in list(backend.managed_policies.values()) if not _is_of_aws(policy)]
            found["policy"] |= {policy.arn: _describe_policy(policy) for policy in own}
            found["role"] |= {f"{partition}/{role.name}": _describe(role, _ROLE) for role in _all(backend.roles)}
            found["user"] |= {f"{partition}/{user.name}": _describe_user(backend, user) for user in _all(backend.users)}
        return found

    def restore(self) -> None:
        """Put back what was kept, policies first."""
        backends = dict(self._backends())
        for kind, put_back in _KINDS.items():
            for name, kept in self._records.all(kind).items():
                try:
                    partition, _, rest = name.partition("/")
                    if kind == "policy":
                        partition, rest = name.split(":")[1], name
                    put_back(backends[partition], rest, kept)
                except Exception:  # noqa: BLE001 - what one record lacks must not take the others along
                    _log.exception("The %s %s could not be brought back", kind, name)

    def _backends(self) -> Iterable[tuple[str, Any]]:
        from moto.backends import get_backend

        return list(get_backend("iam")[self._account_id].items())


def _all(held: Mapping[str, Any]) -> list[Any]:
    return list(held.values())


def _is_of_aws(policy: Any) -> bool:
    return ":iam::aws:" in policy.arn


def _describe(thing: Any, fields: Iterable[str]) -> dict[str, Any]:
    """Return attributes of a thing of moto's, when it was made, and the policies attached to it."""
    return {
        "fields": {name: getattr(thing, name, None) for name in fields},
        "created": thing.create_date.isoformat(),
        "attached": list(getattr(thing, "managed_policies", ())),
    }


def _fill(thing: Any, kept: Mapping[str, Any], backend: Any) -> None:
    for name, value in kept["fields"].items():
        setattr(thing, name, value)
    thing.create_date = datetime.fromisoformat(kept["created"])
    for arn in kept["attached"]:
        backend.managed_policies[arn].attach_to(thing)


def _describe_policy(policy: Any) -> dict[str, Any]:
    versions = [[v.version_id, v.document, v.is_default, v.create_date.isoformat()] for v in policy.versions]
    where = {"name": policy.name, "path": policy.path, "updated": policy.update_date.isoformat()}
    return {**_describe(policy, _POLICY), **where, "versions": versions}


def _put_policy_back(backend: Any, arn: str, kept: Mapping[str, Any]) -> None:
    from moto.iam.models import ManagedPolicy, PolicyVersion

    policy = ManagedPolicy(
        kept["name"], account_id=backend.account_id, region=backend.region_name, path=kept["path"], document=""
    )
    _fill(policy, kept, backend)
    policy.update_date = datetime.fromisoformat(kept["updated"])
    policy.versions = [
        PolicyVersion(arn, document, is_default, version, datetime.fromisoformat(created))
        for version, document, is_default, created in kept["versions"]
    ]
    backend.managed_policies[arn] = policy


def _put_role_back(backend: Any, name: str, kept: Mapping[str, Any]) -> None:
    from moto.iam.models import Role

    fields = kept["fields"]
    role = Role(
        account_id=backend.account_id,
        partition=backend.partition,
        role_id=fields["id"],
        name=name,
        assume_role_policy_document=fields["assume_role_policy_document"],
        path=fields["path"],
        permissions_boundary=None,
        description=fields["description"],
        tags=[],
        max_session_duration=fields["max_session_duration"],
    )
    _fill(role, kept, backend)
    backend.roles[role.id] = role


def _describe_user(backend: Any, user: Any) -> dict[str, Any]:
    return {
        **_describe(user, _USER),
        "region": user.region_name,
        "tags": backend.tagger.get_tag_dict_for_resource(user.arn),
        "keys": [_describe(key, _KEY) for key in user.access_keys],
    }


def _put_user_back(backend: Any, name: str, kept: Mapping[str, Any]) -> None:
    tags = [{"Key": key, "Value": value} for key, value in kept["tags"].items()]
    user = backend.users.get(name)  # the one that every account has is there already, with its key
    if user is None:
        user = backend.create_user(kept["region"], name, kept["fields"]["path"], tags)
    else:
        backend.tagger.tag_resource(user.arn, tags)
    _fill(user, kept, backend)
    present = {key.access_key_id: key for key in user.access_keys}
    for each in kept["keys"]:
        key = present.get(each["fields"]["access_key_id"]) or user.create_access_key("AKIA")
        _fill(key, each, backend)
        backend.access_keys[key.access_key_id] = key


_KINDS: Final[Mapping[str, Callable[[Any, str, Mapping[str, Any]], None]]] = {
    "policy": _put_policy_back,
    "role": _put_role_back,
    "user": _put_user_back,
}
