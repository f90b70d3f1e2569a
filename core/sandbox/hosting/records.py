"""What the sandbox remembers of models, endpoint configs and endpoints.

Records are kept per region in a `HostingState`; whoever reads or changes one holds the state's lock. Names of members
that come from AWS's API are kept in its own spelling inside `request` mappings (the validated API input).
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

EndpointStatus = Literal[
    "Creating", "InService", "Failed", "Updating", "SystemUpdating", "RollingBack", "Deleting", "OutOfService"
]


def now() -> datetime:
    """Return the present moment, UTC, to the millisecond: what AWS tells is what is filtered and sorted by."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass
class ModelRecord:
    """A model: the validated CreateModel request, and the tags it has now."""

    name: str
    arn: str
    request: Mapping[str, Any]
    tags: dict[str, str]
    created: datetime = field(default_factory=now)


@dataclass
class EndpointConfigRecord:
    """An endpoint config: the validated CreateEndpointConfig request, and the tags it has now."""

    name: str
    arn: str
    request: Mapping[str, Any]
    tags: dict[str, str]
    created: datetime = field(default_factory=now)


@dataclass
class VariantRecord:
    """One production variant of a live endpoint.

    `container` is the ContainerDefinition of its model (`Image`, `ModelDataUrl` or `ModelDataSource`, `Environment`);
    timeouts are seconds. `current_count` is 0 until its container answers.
    """

    name: str
    model_name: str
    instance_type: str
    desired_count: int
    desired_weight: float
    container: Mapping[str, Any]
    role_arn: str
    startup_timeout: int
    download_timeout: int
    current_count: int = 0
    current_weight: float = 0.0


@dataclass
class EndpointRecord:
    """An endpoint. Its status and variants change while its containers start, are updated and stop.

    `pending` are the variants that an update is about to put in the place of the others.
    """

    name: str
    arn: str
    region: str
    config_name: str
    variants: list[VariantRecord]
    tags: dict[str, str]
    pending: list[VariantRecord] = field(default_factory=list)
    status: EndpointStatus = "Creating"
    failure_reason: str | None = None
    created: datetime = field(default_factory=now)
    modified: datetime = field(default_factory=now)


@dataclass
class RegionState:
    """What one region holds, by name; `quotas` are the endpoint quotas set there, in instances by type."""

    models: dict[str, ModelRecord] = field(default_factory=dict)
    endpoint_configs: dict[str, EndpointConfigRecord] = field(default_factory=dict)
    endpoints: dict[str, EndpointRecord] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)


class HostingState:
    """The hosting records of all regions, and the lock that guards them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._regions: dict[str, RegionState] = {}

    def region(self, name: str) -> RegionState:
        """Return the records of a region; call it with the lock held."""
        return self._regions.setdefault(name, RegionState())

    def regions(self) -> Mapping[str, RegionState]:
        """Return the records of all regions by name; call it with the lock held."""
        return self._regions
