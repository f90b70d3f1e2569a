"""CreateEndpointConfig and its kin, and the variants that an endpoint gets from a config."""

from collections.abc import Mapping
from typing import Any, Final

from core.instances.catalog import catalog
from core.sandbox.hosting import errors
from core.sandbox.hosting.checks import AccountView
from core.sandbox.hosting.listing import Listed, page
from core.sandbox.hosting.models import arn_of
from core.sandbox.hosting.records import EndpointConfigRecord, HostingState, RegionState, VariantRecord
from core.sandbox.hosting.tags import read_tags

_STARTUP_SECONDS: Final = 480  # "must start within 8 minutes" where the config does not say
_DOWNLOAD_SECONDS: Final = 3600
_ABSENT: Final[Mapping[str, str]] = {
    "ShadowProductionVariants": "shadow variants",
    "AsyncInferenceConfig": "asynchronous inference",
    "ExplainerConfig": "explainers",
    "CrossRegionTrafficConfig": "traffic between regions",
}
_ABSENT_OF_VARIANT: Final[Mapping[str, str]] = {
    "ServerlessConfig": "serverless endpoints",
    "CoreDumpConfig": "core dumps",
    "ManagedInstanceScaling": "managed instance scaling",
    "CapacityReservationConfig": "capacity reservations",
}


class EndpointConfigs:
    """The operations on endpoint configs."""

    def __init__(self, state: HostingState, account: AccountView) -> None:
        self._state = state
        self._account = account

    def create(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """CreateEndpointConfig: its models must exist."""
        name = request["EndpointConfigName"]
        arn = arn_of(self._account, region, "endpoint-config", name)
        tags = read_tags(request.get("Tags", ()))
        _check_supported(request)
        with self._state.lock:
            records = self._state.region(region)
            if any(name.lower() == taken.lower() for taken in records.endpoint_configs):
                raise errors.name_taken("endpoint configuration", arn)
            kept = {key: value for key, value in request.items() if key != "Tags"}
            kept["ProductionVariants"] = [
                _accepted_variant(self._account, region, records, variant) for variant in request["ProductionVariants"]
            ]
            records.endpoint_configs[name] = EndpointConfigRecord(name, arn, kept, tags)
        return {"EndpointConfigArn": arn}

    def describe(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """DescribeEndpointConfig."""
        with self._state.lock:
            record = find_config(self._state, self._account, region, request["EndpointConfigName"])
            return {
                "EnableNetworkIsolation": False,
                **record.request,
                "EndpointConfigArn": record.arn,
                "CreationTime": record.created,
            }

    def list(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """ListEndpointConfigs."""
        with self._state.lock:
            listed = [
                Listed(
                    record.name,
                    record.created,
                    {
                        "EndpointConfigName": record.name,
                        "EndpointConfigArn": record.arn,
                        "CreationTime": record.created,
                    },
                )
                for record in self._state.region(region).endpoint_configs.values()
            ]
        return page(listed, request, "EndpointConfigs")

    def delete(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """DeleteEndpointConfig: endpoints that use it go on serving, as on AWS."""
        with self._state.lock:
            record = find_config(self._state, self._account, region, request["EndpointConfigName"])
            del self._state.region(region).endpoint_configs[record.name]
        return {}


def find_config(state: HostingState, account: AccountView, region: str, name: str) -> EndpointConfigRecord:
    """Return an endpoint config; call it with the state's lock held.

    Raises:
        ApiError: there is none of that name.
    """
    record = state.region(region).endpoint_configs.get(name)
    if record is None:
        raise errors.not_found("endpoint configuration", arn_of(account, region, "endpoint-config", name))
    return record


def variants_of(
    state: HostingState, account: AccountView, region: str, config: EndpointConfigRecord
) -> list[VariantRecord]:
    """Return what an endpoint with this config is to run; call it with the state's lock held.

    Raises:
        ApiError: a model has been deleted since.
    """
    models = state.region(region).models
    found = []
    for variant in config.request["ProductionVariants"]:
        model = models.get(variant["ModelName"])
        if model is None:
            raise errors.not_found("model", arn_of(account, region, "model", variant["ModelName"]))
        container = model.request.get("PrimaryContainer") or model.request["Containers"][0]
        found.append(
            VariantRecord(
                name=variant["VariantName"],
                model_name=model.name,
                instance_type=variant["InstanceType"],
                desired_count=variant["InitialInstanceCount"],
                desired_weight=variant["InitialVariantWeight"],
                container=container,
                role_arn=model.request["ExecutionRoleArn"],
                startup_timeout=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_SECONDS),
                download_timeout=variant.get("ModelDataDownloadTimeoutInSeconds", _DOWNLOAD_SECONDS),
            )
        )
    return found


def _check_supported(request: Mapping[str, Any]) -> None:
    for member, what in _ABSENT.items():
        if request.get(member):
            raise errors.not_in_sandbox(what)
    if request.get("DataCaptureConfig", {}).get("EnableCapture"):
        raise errors.not_in_sandbox("data capture")
    names = [variant["VariantName"] for variant in request["ProductionVariants"]]
    for name in names:
        if names.count(name) > 1:
            raise errors.invalid(f"Duplicate variant names are not allowed: {name} is used more than once.")


def _accepted_variant(
    account: AccountView, region: str, records: RegionState, variant: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a variant with the values that AWS fills in."""
    for member, what in _ABSENT_OF_VARIANT.items():
        if variant.get(member):
            raise errors.not_in_sandbox(what)
    if not variant.get("ModelName"):
        raise errors.not_in_sandbox("inference components: every variant names its model in it")
    for member in ("InstanceType", "InitialInstanceCount"):
        if variant.get(member) is None:
            raise errors.invalid(f"{member} must be specified for production variant {variant['VariantName']}.")
    if variant["InitialInstanceCount"] < 1:
        raise errors.invalid(f"InitialInstanceCount of production variant {variant['VariantName']} must be at least 1.")
    if variant["ModelName"] not in records.models:
        raise errors.not_found("model", arn_of(account, region, "model", variant["ModelName"]))
    instance = catalog().get(variant["InstanceType"])  # `None` for one that is newer than the catalog
    if variant.get("VolumeSizeInGB") is not None and instance and instance.storage_bytes:
        raise errors.no_volume(instance.name)
    return {"InitialVariantWeight": 1.0, **variant}
