"""The account as hosting sees it: roles and objects, looked up in moto's own memory."""

import json
from collections.abc import Mapping
from typing import Any

from core.sandbox.hosting.iam import Document, RolePolicies
from core.sandbox.moto_services import ACCOUNT_ID, MotoServices


class MotoAccount:
    """Implements `core.sandbox.hosting.checks.AccountView` over moto 5's backends."""

    account_id = ACCOUNT_ID

    def __init__(self, services: MotoServices) -> None:
        self._services = services

    def role(self, arn: str) -> RolePolicies | None:
        """Return the role with that ARN; `None` when there is none."""
        backend = self._backend("iam", arn.split(":")[1])
        role = next((role for role in list(backend.roles.values()) if role.arn == arn), None)
        if role is None:
            return None
        attached = [_default_version(policy) for policy in list(role.managed_policies.values())]
        boundary = backend.managed_policies.get(role.permissions_boundary_arn)
        return RolePolicies(
            arn=arn,
            trust=_document(role.assume_role_policy_document),
            policies=tuple(_document(text) for text in (*role.policies.values(), *attached)),
            boundary=_document(_default_version(boundary)) if boundary else None,
        )

    def bucket_region(self, bucket: str) -> str | None:
        """Return where a bucket is; `None` when there is none of that name."""
        found = self._bucket(bucket)
        return str(found.region_name) if found else None

    def object_tags(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """Return the tags of an object; `None` when there is no such object."""
        found = self._bucket(bucket)
        item = found.keys.get(key) if found else None
        if item is None or not hasattr(item, "size"):  # a delete marker has none
            return None
        tags: Mapping[str, str] = self._backend("s3", found.partition).tagger.get_tag_dict_for_resource(item.arn)
        return tags

    def keys_under(self, bucket: str, prefix: str) -> tuple[str, ...]:
        """Return the keys that begin with `prefix`."""
        found = self._bucket(bucket)
        if not found:
            return ()
        return tuple(
            name for name, item in list(found.keys.items()) if name.startswith(prefix) and hasattr(item, "size")
        )

    def _bucket(self, name: str) -> Any:
        for partition in ("aws", "aws-cn", "aws-us-gov"):
            if found := self._backend("s3", partition).buckets.get(name):
                return found
        return None

    def _backend(self, service: str, partition: str) -> Any:
        return self._services.backend(service, partition)


def _default_version(policy: Any) -> str:
    return next((str(found.document) for found in policy.versions if found.version_id == policy.default_version_id), "")


def _document(text: str | Mapping[str, Any]) -> Document:
    """Return a policy; moto keeps it as it was sent, so it may be no JSON at all, which allows nothing."""
    if isinstance(text, Mapping):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
