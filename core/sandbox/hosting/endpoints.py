"""CreateEndpoint and its kin: what the API says; the supervisor does the work behind it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Protocol

from core.sandbox import quotas
from core.sandbox.hosting import errors
from core.sandbox.hosting.checks import AccountView
from core.sandbox.hosting.endpoint_configs import find_config, variants_of
from core.sandbox.hosting.listing import Listed, page
from core.sandbox.hosting.models import arn_of
from core.sandbox.hosting.records import EndpointRecord, HostingState, RegionState, VariantRecord
from core.sandbox.hosting.tags import read_tags

_SETTLED: Final = {"InService", "Failed", "OutOfService"}


class Containers(Protocol):
    """What runs the containers behind endpoints; all its methods return at once."""

    def launch(self, endpoint: EndpointRecord) -> None:
        """Take a new endpoint from `Creating` to `InService` or `Failed`."""

    def update(self, endpoint: EndpointRecord, new_config_name: str, new_variants: list[VariantRecord]) -> None:
        """Put new variants in the place of the old ones."""

    def scale(self, endpoint: EndpointRecord, changes: Mapping[str, tuple[float | None, int | None]]) -> None:
        """Change weights and counts by variant name."""

    def remove(self, endpoint: EndpointRecord) -> None:
        """End the endpoint's containers, then drop its record."""


class Endpoints:
    """The operations on endpoints."""

    def __init__(self, state: HostingState, account: AccountView, containers: Containers) -> None:
        self._state = state
        self._account = account
        self._containers = containers

    def create(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """CreateEndpoint: within the account's quotas; it comes up by and by."""
        name = request["EndpointName"]
        arn = arn_of(self._account, region, "endpoint", name)
        tags = read_tags(request.get("Tags", ()))
        _check_deployment(request)
        with self._state.lock:
            records = self._state.region(region)
            if any(name.lower() == taken.lower() for taken in records.endpoints):
                raise errors.name_taken("endpoint", arn)
            config = find_config(self._state, self._account, region, request["EndpointConfigName"])
            variants = variants_of(self._state, self._account, region, config)
            _check_quotas(records, _instances(variants))
            endpoint = EndpointRecord(name, arn, region, config.name, variants, tags)
            records.endpoints[name] = endpoint
            self._containers.launch(endpoint)
        return {"EndpointArn": arn}

    def describe(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """DescribeEndpoint."""
        with self._state.lock:
            endpoint = self._find(region, request["EndpointName"])
            answer: dict[str, Any] = {
                "EndpointName": endpoint.name,
                "EndpointArn": endpoint.arn,
                "EndpointConfigName": endpoint.config_name,
                "EndpointStatus": endpoint.status,
                "CreationTime": endpoint.created,
                "LastModifiedTime": endpoint.modified,
            }
            if endpoint.failure_reason:
                answer["FailureReason"] = endpoint.failure_reason
            if endpoint.status not in {"Creating", "Failed"}:  # AWS shows no variants before there are any
                answer["ProductionVariants"] = [_variant_summary(endpoint, variant) for variant in endpoint.variants]
            return answer

    def list(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """ListEndpoints."""
        with self._state.lock:
            listed = [
                Listed(
                    endpoint.name,
                    endpoint.created,
                    {
                        "EndpointName": endpoint.name,
                        "EndpointArn": endpoint.arn,
                        "CreationTime": endpoint.created,
                        "LastModifiedTime": endpoint.modified,
                        "EndpointStatus": endpoint.status,
                    },
                    modified=endpoint.modified,
                    status=endpoint.status,
                )
                for endpoint in self._state.region(region).endpoints.values()
            ]
        return page(listed, request, "Endpoints")

    def update(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """UpdateEndpoint: the old variants serve until the new ones answer."""
        _check_deployment(request)
        with self._state.lock:
            endpoint = self._find_changeable(region, request["EndpointName"])
            config = find_config(self._state, self._account, region, request["EndpointConfigName"])
            variants = variants_of(self._state, self._account, region, config)
            if request.get("RetainAllVariantProperties"):
                excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", ())}
                _retain(endpoint.variants, variants, excluded)
            _check_quotas(self._state.region(region), _instances(variants) - _instances(endpoint.variants))
            self._containers.update(endpoint, config.name, variants)
        return {"EndpointArn": endpoint.arn}

    def scale(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """UpdateEndpointWeightsAndCapacities."""
        with self._state.lock:
            endpoint = self._find_changeable(region, request["EndpointName"])
            present = {variant.name: variant for variant in endpoint.variants}
            changes: dict[str, tuple[float | None, int | None]] = {}
            more: Counter[str] = Counter()
            for wanted in request["DesiredWeightsAndCapacities"]:
                variant = present.get(wanted["VariantName"])
                if variant is None:
                    raise errors.invalid(f'Could not find variant "{wanted["VariantName"]}" of "{endpoint.arn}".')
                if wanted.get("ServerlessUpdateConfig"):
                    raise errors.not_in_sandbox("serverless endpoints")
                count = wanted.get("DesiredInstanceCount")
                if count is not None and count < 1:
                    raise errors.invalid(f"DesiredInstanceCount of variant {variant.name} must be at least 1.")
                more[variant.instance_type] += max(0, (count or 0) - variant.desired_count)
                changes[variant.name] = (wanted.get("DesiredWeight"), count)
            _check_quotas(self._state.region(region), +more)
            self._containers.scale(endpoint, changes)
        return {"EndpointArn": endpoint.arn}

    def delete(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """DeleteEndpoint: refused while it is being created, updated or deleted."""
        with self._state.lock:
            endpoint = self._find(region, request["EndpointName"])
            if endpoint.status not in _SETTLED:
                raise errors.in_progress(endpoint.arn)
            self._containers.remove(endpoint)
        return {}

    def _find(self, region: str, name: str) -> EndpointRecord:
        endpoint = self._state.region(region).endpoints.get(name)
        if endpoint is None:
            raise errors.not_found("endpoint", arn_of(self._account, region, "endpoint", name))
        return endpoint

    def _find_changeable(self, region: str, name: str) -> EndpointRecord:
        endpoint = self._find(region, name)
        if endpoint.status not in _SETTLED:
            raise errors.in_progress(endpoint.arn)
        if endpoint.status == "Failed":  # "DeleteEndpoint is the only operation that can be performed" then
            raise errors.invalid(f'Cannot update failed endpoint "{endpoint.arn}".')
        return endpoint


def _check_deployment(request: Mapping[str, Any]) -> None:
    config = request.get("DeploymentConfig", {})
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {}).get("Type", "ALL_AT_ONCE")
    if config.get("RollingUpdatePolicy") or routing != "ALL_AT_ONCE":
        raise errors.not_in_sandbox("canary, linear or rolling updates: traffic moves all at once")
    if config.get("AutoRollbackConfiguration", {}).get("Alarms"):
        raise errors.not_in_sandbox("rollback by alarms")


def _instances(variants: "list[VariantRecord]") -> "Counter[str]":
    counts: Counter[str] = Counter()
    for variant in variants:
        counts[variant.instance_type] += variant.desired_count
    return counts


def _check_quotas(records: RegionState, more: "Counter[str]") -> None:
    for instance_type, wanted in more.items():
        limit, used = quotas.limit(records, instance_type), quotas.used(records, instance_type)
        if used + wanted > limit:
            raise errors.quota_used_up(instance_type, limit=limit, used=used, wanted=wanted)


def _retain(old: "list[VariantRecord]", new: "list[VariantRecord]", excluded: set[str]) -> None:
    before = {variant.name: variant for variant in old}
    for variant in new:
        if same := before.get(variant.name):
            if "DesiredInstanceCount" not in excluded:
                variant.desired_count = same.desired_count
            if "DesiredWeight" not in excluded:
                variant.desired_weight = same.desired_weight


def _variant_summary(endpoint: EndpointRecord, variant: VariantRecord) -> Mapping[str, Any]:
    image = variant.container["Image"]
    return {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": endpoint.created}],
        "CurrentWeight": variant.current_weight,
        "DesiredWeight": variant.desired_weight,
        "CurrentInstanceCount": variant.current_count,
        "DesiredInstanceCount": variant.desired_count,
    }
