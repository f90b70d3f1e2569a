"""How many instances of a type the account may run for endpoints, and how many it runs already."""

import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import error_code, explained
from core.cancellation import CancelToken
from core.errors import CancelledByUser, SagewizardError

# Quota codes are not published; the names are, and have had this form in every region looked at.
_QUOTA_NAME: Final = re.compile(r"(ml\.[\w.-]+) for endpoint usage")
_GONE: Final = frozenset({"ValidationException", "ResourceNotFound", "ResourceNotFoundException"})
_NOT_USING: Final = frozenset({"Failed", "Deleting"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's limit for one type in one region, and how many of it are in use, in instances."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """How many more may be started."""
        return max(0, self.limit - self.used)


def fetch_quotas(clients: Clients, *, cancel: CancelToken) -> Mapping[str, Quota] | None:
    """Return the endpoint quotas of the clients' region, by instance type; `None` where they may not be asked for.

    The quota of a type that is not in the answer is not known.

    Raises:
        CancelledByUser: stopping was asked for.
    """
    try:
        with explained("ask for quotas"):
            limits = _limits(clients, cancel)
            used = _used(clients, cancel)
    except CancelledByUser:
        raise
    except SagewizardError as error:
        _log.info("quotas are not known: %s", error)
        return None
    return {name: Quota(limit, used[name]) for name, limit in limits.items()}


def _limits(clients: Clients, cancel: CancelToken) -> dict[str, int]:
    pages = clients.get("service-quotas").get_paginator("list_service_quotas")
    found: dict[str, int] = {}
    for page in pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": 100}):
        cancel.check()
        for quota in page.get("Quotas", ()):
            match = _QUOTA_NAME.fullmatch(str(quota.get("QuotaName", "")))
            if match and isinstance(quota.get("Value"), int | float):
                found[match[1]] = int(quota["Value"])
    return found


def _used(clients: Clients, cancel: CancelToken) -> Counter[str]:
    """Return how many instances of each type run, or are asked for, over all endpoints of the region."""
    sagemaker = clients.get("sagemaker")
    configs: dict[str, dict[str, _Variant]] = {}
    used: Counter[str] = Counter()
    for page in sagemaker.get_paginator("list_endpoints").paginate():
        for summary in page.get("Endpoints", ()):
            cancel.check()
            if summary.get("EndpointStatus") not in _NOT_USING:
                used.update(_used_by(sagemaker, summary["EndpointName"], configs))
    return used


@dataclass(frozen=True, slots=True)
class _Variant:
    """A variant of an endpoint config: what it runs on, and how many to begin with."""

    instance_type: str
    count: int


def _used_by(sagemaker: Any, endpoint: str, configs: dict[str, dict[str, _Variant]]) -> Counter[str]:
    """Return what one endpoint uses; nothing when it is gone by now. `configs` keeps those that were looked at."""
    from botocore.exceptions import ClientError

    try:
        described = sagemaker.describe_endpoint(EndpointName=endpoint)
        name = described["EndpointConfigName"]
        if name not in configs:
            configs[name] = _variants_of(sagemaker.describe_endpoint_config(EndpointConfigName=name))
    except ClientError as error:
        if error_code(error) in _GONE:
            return Counter()
        raise
    running = {variant["VariantName"]: variant for variant in described.get("ProductionVariants", ())}
    used: Counter[str] = Counter()
    for label, variant in configs[name].items():
        # While it is created an endpoint has no variants of its own yet: it is about to have its config's.
        now = running.get(label, {"DesiredInstanceCount": variant.count})
        used[variant.instance_type] += max(now.get("CurrentInstanceCount") or 0, now.get("DesiredInstanceCount") or 0)
    return used


def _variants_of(config: Mapping[str, Any]) -> dict[str, _Variant]:
    return {
        variant["VariantName"]: _Variant(variant["InstanceType"], variant.get("InitialInstanceCount") or 0)
        for variant in config["ProductionVariants"]
        if "InstanceType" in variant  # serverless variants have none
    }
