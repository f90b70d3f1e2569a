"""CreateModel and its kin."""

from collections.abc import Mapping
from typing import Any

from core.sandbox.hosting import errors
from core.sandbox.hosting.checks import AccountView, check_access, partition_of
from core.sandbox.hosting.listing import Listed, page
from core.sandbox.hosting.records import HostingState, ModelRecord
from core.sandbox.hosting.tags import read_tags


def arn_of(account: AccountView, region: str, kind: str, name: str) -> str:
    """Return the ARN of a thing of SageMaker's; `kind` is `model`, `endpoint-config` or `endpoint`.

    Names keep their case everywhere but here: SageMaker's ARNs are in small letters.
    """
    return f"arn:{partition_of(region)}:sagemaker:{region}:{account.account_id}:{kind}/{name.lower()}"


class Models:
    """The operations on models."""

    def __init__(self, state: HostingState, account: AccountView) -> None:
        self._state = state
        self._account = account

    def create(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """CreateModel: for one container, with a role that can read its data."""
        name = request["ModelName"]
        arn = arn_of(self._account, region, "model", name)
        containers = _containers(request)
        tags = read_tags(request.get("Tags", ()))
        with self._state.lock:
            self._check_free(region, name, arn)
        check_access(self._account, request["ExecutionRoleArn"], containers, region=region, model_arn=arn)
        with self._state.lock:
            self._check_free(region, name, arn)
            kept = {key: value for key, value in request.items() if key != "Tags"}
            self._state.region(region).models[name] = ModelRecord(name, arn, kept, tags)
        return {"ModelArn": arn}

    def describe(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """DescribeModel."""
        with self._state.lock:
            record = self._find(region, request["ModelName"])
            return {
                "EnableNetworkIsolation": False,
                **record.request,
                "ModelArn": record.arn,
                "CreationTime": record.created,
            }

    def list(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """ListModels."""
        with self._state.lock:
            listed = [
                Listed(
                    record.name,
                    record.created,
                    {"ModelName": record.name, "ModelArn": record.arn, "CreationTime": record.created},
                )
                for record in self._state.region(region).models.values()
            ]
        return page(listed, request, "Models")

    def delete(self, region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """DeleteModel: endpoints that use it go on serving, as on AWS."""
        with self._state.lock:
            record = self._find(region, request["ModelName"])
            del self._state.region(region).models[record.name]
        return {}

    def _find(self, region: str, name: str) -> ModelRecord:
        record = self._state.region(region).models.get(name)
        if record is None:
            raise errors.not_found("model", arn_of(self._account, region, "model", name))
        return record

    def _check_free(self, region: str, name: str, arn: str) -> None:
        if any(name.lower() == taken.lower() for taken in self._state.region(region).models):
            raise errors.name_taken("model", arn)


def _containers(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the container definitions of a CreateModel request that the sandbox can run."""
    primary, several = request.get("PrimaryContainer"), request.get("Containers")
    if (primary is None) == (not several):
        raise errors.invalid("Exactly one of PrimaryContainer and Containers must be specified.")
    containers = [primary] if primary is not None else list(several or ())
    if len(containers) > 1:
        raise errors.not_in_sandbox("inference pipelines: a model has one container in it")
    for container in containers:
        if container.get("ModelPackageName") or container.get("InferenceSpecificationName"):
            raise errors.not_in_sandbox("model packages")
        if container.get("Mode", "SingleModel") != "SingleModel":
            raise errors.not_in_sandbox("multi-model endpoints")
        if container.get("AdditionalModelDataSources"):
            raise errors.not_in_sandbox("additional model data sources")
        if not container.get("Image"):
            raise errors.invalid("Image must be specified for a container that has no ModelPackageName.")
    if not request.get("ExecutionRoleArn"):
        raise errors.invalid("ExecutionRoleArn must be specified.")
    return containers
