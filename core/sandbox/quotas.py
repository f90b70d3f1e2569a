"""Endpoint quotas of the sandbox's account, and the Service Quotas API that tells and raises them.

The quotas are those of a new account (`data/new_account_quotas.json`). CreateEndpoint refuses by the same figures that
ListServiceQuotas shows. An increase that is asked for is granted at once.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final
from uuid import uuid4

from core.instances.catalog import catalog
from core.sandbox.hosting.checks import partition_of
from core.sandbox.hosting.errors import ApiError
from core.sandbox.hosting.listing import slice_page
from core.sandbox.hosting.records import HostingState, RegionState, VariantRecord
from core.sandbox.json_service import Operation
from core.sandbox.moto_services import ACCOUNT_ID

SERVICE_CODE: Final = "sagemaker"
_PAGE: Final = 100
# Codes that real accounts show; the others are made from the name, since clients must go by the name anyway.
_CODES: Final[Mapping[str, str]] = {
    "ml.g5.xlarge": "L-1928E07B",
    "ml.g5.2xlarge": "L-9614C779",
    "ml.g5.4xlarge": "L-C1B9A48D",
    "ml.g5.8xlarge": "L-065D610E",
    "ml.g5.12xlarge": "L-65C4BD00",
}


@cache
def new_account_quotas() -> Mapping[str, int]:
    """Return the quotas of a new account, in instances by type; a type that is absent has none."""
    data = json.loads(files("core.sandbox").joinpath("data/new_account_quotas.json").read_text(encoding="utf-8"))
    found: dict[str, int] = data["instances"]
    return found


def limit(region: RegionState, instance_type: str) -> int:
    """Return how many instances of a type the account may run for endpoints in a region."""
    return region.quotas.get(instance_type, new_account_quotas().get(instance_type, 0))


def used(region: RegionState, instance_type: str) -> int:
    """Return how many instances of a type its endpoints have or are about to have."""

    def instances(variants: Iterable[VariantRecord]) -> int:
        return sum(variant.desired_count for variant in variants if variant.instance_type == instance_type)

    return sum(
        max(instances(endpoint.variants), instances(endpoint.pending))
        for endpoint in region.endpoints.values()
        if endpoint.status not in {"Failed", "Deleting"}
    )


def quota_code(instance_type: str) -> str:
    """Return the code of the endpoint quota of a type."""
    name = _quota_name(instance_type)
    return _CODES.get(instance_type) or "L-" + hashlib.sha256(name.encode()).hexdigest()[:8].upper()


class ServiceQuotas:
    """The operations of the Service Quotas API, for the service `sagemaker` alone."""

    def __init__(self, state: HostingState) -> None:
        self._state = state

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by name."""
        return {
            "ListServices": self._list_services,
            "ListServiceQuotas": self._list,
            "GetServiceQuota": self._get,
            "ListAWSDefaultServiceQuotas": self._list_defaults,
            "GetAWSDefaultServiceQuota": self._get_default,
            "RequestServiceQuotaIncrease": self._request_increase,
        }

    def _list_services(self, _region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        services = [{"ServiceCode": SERVICE_CODE, "ServiceName": "Amazon SageMaker"}]
        return slice_page(services, request, "Services", size=_PAGE)

    def _list(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._page(region, request, self._limits(region))

    def _list_defaults(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._page(region, request, _default)

    def _page(self, region: str, request: Mapping[str, Any], limit_of: Callable[[str], int]) -> Mapping[str, Any]:
        _check_service(request)
        wanted = request.get("QuotaCode")
        quotas: list[Mapping[str, Any]] = [
            _quota(region, name, limit_of(name)) for name in catalog() if wanted in (None, quota_code(name))
        ]
        return slice_page(quotas, request, "Quotas", size=_PAGE)

    def _get(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name = _type_of(request)
        return {"Quota": _quota(region, name, self._limits(region)(name))}

    def _get_default(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name = _type_of(request)
        return {"Quota": _quota(region, name, _default(name))}

    def _request_increase(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name = _type_of(request)
        desired = request["DesiredValue"]
        with self._state.lock:
            records = self._state.region(region)
            if desired <= limit(records, name):
                raise ApiError(
                    "IllegalArgumentException",
                    "You must provide a quota value greater than or equal to the current quota value.",
                )
            records.quotas[name] = int(desired)
        asked = datetime.now(UTC)
        return {
            "RequestedQuota": {
                "Id": uuid4().hex,
                **{
                    key: _quota(region, name, 0)[key]
                    for key in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName")
                },
                "DesiredValue": desired,
                "Status": "APPROVED",
                "Created": asked,
                "LastUpdated": asked,
                "QuotaArn": _arn(region, name),
                "GlobalQuota": False,
                "Unit": "None",
            }
        }

    def _limits(self, region: str) -> Callable[[str], int]:
        def limit_of(name: str) -> int:
            with self._state.lock:
                return limit(self._state.region(region), name)

        return limit_of


def _default(instance_type: str) -> int:
    return new_account_quotas().get(instance_type, 0)


def _check_service(request: Mapping[str, Any]) -> None:
    if request["ServiceCode"] != SERVICE_CODE:
        raise ApiError(
            "NoSuchResourceException",
            f"The request failed because the specified service does not exist: {request['ServiceCode']}. "
            f"The sandbox has quotas of {SERVICE_CODE} only.",
        )


def _type_of(request: Mapping[str, Any]) -> str:
    _check_service(request)
    for name in catalog():
        if quota_code(name) == request["QuotaCode"]:
            return name
    raise ApiError("NoSuchResourceException", "The request failed because the specified quota does not exist.")


def _quota(region: str, instance_type: str, value: int) -> Mapping[str, Any]:
    return {
        "ServiceCode": SERVICE_CODE,
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": _arn(region, instance_type),
        "QuotaCode": quota_code(instance_type),
        "QuotaName": _quota_name(instance_type),
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }


def _quota_name(instance_type: str) -> str:
    return f"{instance_type} for endpoint usage"


def _arn(region: str, instance_type: str) -> str:
    partition = partition_of(region)
    return f"arn:{partition}:servicequotas:{region}:{ACCOUNT_ID}:{SERVICE_CODE}/{quota_code(instance_type)}"
