"""What an account has of what deployments are made of, asked of AWS's own APIs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.deployments.ledger import list_deployments


def inventory(get: Callable[[str], Any], word: str = "") -> list[str]:
    """Return what there is whose name contains `word`, as `model tiny`; `get` returns a boto3 client for a service.

    Every page is read: "nothing is left" must not be said of the first one alone.
    """
    return [f"{kind} {name}" for kind, name in _everything(get) if word in name]


def left_of(get: Callable[[str], Any], word: str, ledgers: Path) -> list[str]:
    """Return what there is of the endpoints whose name contains `word`, artifacts included.

    Those are called by their models, and so are found by the deployments that made or use them.
    """
    everything = inventory(get)
    ids = [found.id for found in list_deployments(ledgers) if word in found.endpoint]
    folders = {"/".join(item.split("/")[:4]) for item in everything if any(identifier in item for identifier in ids)}
    named = (item for item in everything if word in item and not item.startswith("object "))
    return [*named, *sorted(folders)]


def _everything(get: Callable[[str], Any]) -> Iterator[tuple[str, str]]:
    def named(service: str, operation: str, members: str, member: str, **request: str) -> list[str]:
        pages = get(service).get_paginator(operation).paginate(**request)
        return [each[member] for page in pages for each in page.get(members, ())]

    for kind, found in (
        ("endpoint", named("sagemaker", "list_endpoints", "Endpoints", "EndpointName")),
        ("model", named("sagemaker", "list_models", "Models", "ModelName")),
        ("config", named("sagemaker", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName")),
        ("role", named("iam", "list_roles", "Roles", "RoleName")),
    ):
        yield from ((kind, name) for name in found)
    for bucket in named("s3", "list_buckets", "Buckets", "Name"):
        yield from (("object", key) for key in named("s3", "list_objects_v2", "Contents", "Key", Bucket=bucket))
