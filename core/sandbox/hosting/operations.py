"""SageMaker's control plane: every operation the sandbox has, by the name that requests give it."""

from collections.abc import Mapping
from typing import Any

from core.sandbox.hosting import errors
from core.sandbox.hosting.checks import AccountView
from core.sandbox.hosting.endpoint_configs import EndpointConfigs
from core.sandbox.hosting.endpoints import Containers, Endpoints
from core.sandbox.hosting.listing import slice_page
from core.sandbox.hosting.models import Models
from core.sandbox.hosting.records import EndpointConfigRecord, EndpointRecord, HostingState, ModelRecord
from core.sandbox.hosting.tags import as_list, merged, read_tags
from core.sandbox.json_service import Operation

_TAGS_PAGE = 50


def operations(state: HostingState, account: AccountView, containers: Containers) -> Mapping[str, Operation]:
    """Return the operations on the records in `state`, which ask `account` and work through `containers`."""
    models, configs = Models(state, account), EndpointConfigs(state, account)
    endpoints, tags = Endpoints(state, account, containers), Tags(state)
    return {
        "CreateModel": models.create,
        "DescribeModel": models.describe,
        "ListModels": models.list,
        "DeleteModel": models.delete,
        "CreateEndpointConfig": configs.create,
        "DescribeEndpointConfig": configs.describe,
        "ListEndpointConfigs": configs.list,
        "DeleteEndpointConfig": configs.delete,
        "CreateEndpoint": endpoints.create,
        "DescribeEndpoint": endpoints.describe,
        "ListEndpoints": endpoints.list,
        "UpdateEndpoint": endpoints.update,
        "UpdateEndpointWeightsAndCapacities": endpoints.scale,
        "DeleteEndpoint": endpoints.delete,
        "AddTags": tags.add,
        "ListTags": tags.list,
        "DeleteTags": tags.delete,
    }


class Tags:
    """The operations on tags, of whatever kind of thing."""

    def __init__(self, state: HostingState) -> None:
        self._state = state

    def add(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """AddTags: a key that is there already gets the new value."""
        added = read_tags(request["Tags"])
        with self._state.lock:
            record = self._find(region, request["ResourceArn"])
            record.tags = merged(record.tags, added)
            return {"Tags": as_list(record.tags)}

    def list(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """ListTags."""
        with self._state.lock:
            tags = as_list(self._find(region, request["ResourceArn"]).tags)
        return slice_page(tags, request, "Tags", size=_TAGS_PAGE)

    def delete(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """DeleteTags: keys that are not there are passed over."""
        with self._state.lock:
            record = self._find(region, request["ResourceArn"])
            record.tags = {key: value for key, value in record.tags.items() if key not in request["TagKeys"]}
        return {}

    def _find(self, region: str, arn: str) -> ModelRecord | EndpointConfigRecord | EndpointRecord:
        records = self._state.region(region)
        kinds = (records.models, records.endpoint_configs, records.endpoints)
        for kind in kinds:
            for record in kind.values():
                if record.arn == arn.lower():
                    return record
        raise errors.invalid(f"Could not find resource {arn}.")
