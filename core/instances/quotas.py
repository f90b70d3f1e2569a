"""How many instances of a type the account may run for endpoints, and how many it runs already."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import error_code, explained
from core.cancellation import CancelToken
from core.errors import CancelledByUser, SagewizardError

# Quota codes are not published; the names are, and have had this form in every region looked at.
_QUOTA_NAME: Final = re.compile(r"(ml\.[\w.-]+) for endpoint usage")
_QUOTA_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,128}")
_GONE: Final = frozenset({"ValidationException", "ResourceNotFound", "ResourceNotFoundException"})
_FAILED: Final = "Failed"  # has no instances any more; one that is being deleted has, until it is gone
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's limit for one type in one region, and how many of it are in use, in instances.

    `code` is what Service Quotas calls it (`L-1928E07B`) and `region` where it is one of, `None` where not known.
    """

    limit: int
    used: int
    code: str | None = field(default=None, compare=False)
    region: str | None = field(default=None, compare=False)

    @property
    def left(self) -> int:
        """How many more may be started."""
        return max(0, self.limit - self.used)

    @property
    def request_link(self) -> str | None:
        """The address of the console's page where more is asked for; `None` where the region is not known."""
        return quota_request_link(self.region, self.code) if self.region else None


def quota_request_link(region: str, quota_code: str | None) -> str:
    """Return the address of the AWS console's page where more of a quota of SageMaker is asked for.

    Without a code it is the page that lists all of them.
    """
    query = ""
    if region.startswith("cn-"):
        host = f"{region}.console.amazonaws.cn"
    elif region.startswith("us-gov-"):
        host, query = "console.amazonaws-us-gov.com", f"?region={region}"  # one host for both of its regions
    else:
        host = f"{region}.console.aws.amazon.com"
    page = f"/{quota_code}" if quota_code else ""
    return f"https://{host}/servicequotas/home/services/sagemaker/quotas{page}{query}"


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
    return {name: Quota(limit, used[name], code, clients.region) for name, (limit, code) in limits.items()}


def _limits(clients: Clients, cancel: CancelToken) -> dict[str, tuple[int, str | None]]:
    """Return the limit for each type, and the quota's code."""
    pages = clients.get("service-quotas").get_paginator("list_service_quotas")
    found: dict[str, tuple[int, str | None]] = {}
    for page in pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": 100}):
        cancel.check()
        for quota in page.get("Quotas", ()):
            match = _QUOTA_NAME.fullmatch(str(quota.get("QuotaName", "")))
            if match and isinstance(quota.get("Value"), int | float):
                code = quota.get("QuotaCode")
                known = isinstance(code, str) and _QUOTA_CODE.fullmatch(code)
                found[match[1]] = int(quota["Value"]), code if known else None
    return found


def _used(clients: Clients, cancel: CancelToken) -> Counter[str]:
    """Return how many instances of each type run, or are asked for, over all endpoints of the region."""
    sagemaker = clients.get("sagemaker")
    configs: dict[str, dict[str, _Variant]] = {}
    used: Counter[str] = Counter()
    for page in sagemaker.get_paginator("list_endpoints").paginate():
        for summary in page.get("Endpoints", ()):
            cancel.check()
            if summary.get("EndpointStatus") != _FAILED:
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
    running = {variant["VariantName"]: variant for variant in _all_variants(described)}
    used: Counter[str] = Counter()
    for label, variant in configs[name].items():
        # While it is created an endpoint has no variants of its own yet: it is about to have its config's.
        used[variant.instance_type] += _count(running.get(label, {"DesiredInstanceCount": variant.count}))
    # During an update the new instances run beside the old ones.
    for pending in _all_variants(described.get("PendingDeploymentSummary") or {}):
        if kind := pending.get("InstanceType"):
            used[kind] += _count(pending)
    return used


def _all_variants(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the variants that answer, and those that only listen in."""
    yield from described.get("ProductionVariants") or ()
    yield from described.get("ShadowProductionVariants") or ()


def _count(variant: Mapping[str, Any]) -> int:
    return max(variant.get("CurrentInstanceCount") or 0, variant.get("DesiredInstanceCount") or 0)


def _variants_of(config: Mapping[str, Any]) -> dict[str, _Variant]:
    return {
        variant["VariantName"]: _Variant(variant["InstanceType"], variant.get("InitialInstanceCount") or 0)
        for variant in _all_variants(config)
        if "InstanceType" in variant  # serverless variants have none
    }
