"""What SageMaker tells of models, endpoint configs and endpoints, as values: read from its API at one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from core.external_text import clean, clean_line

SETTLED: Final = frozenset({"InService", "Failed", "OutOfService", "UpdateRollbackFailed"})
"""The statuses of an endpoint that change no more by themselves."""


@dataclass(frozen=True, slots=True)
class ContainerDescription:
    """One container of a model: its image, environment, and where its model data comes from (`s3://…`), if anywhere."""

    image: str | None
    environment: Mapping[str, str]
    model_data_uri: str | None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model: a role and one container, or several for a pipeline."""

    name: str
    arn: str
    role_arn: str | None
    containers: tuple[ContainerDescription, ...]
    created: datetime

    @property
    def container(self) -> ContainerDescription | None:
        """The first container, the one that requests go to."""
        return self.containers[0] if self.containers else None


@dataclass(frozen=True, slots=True)
class VariantConfig:
    """A production variant as configured. Serverless ones have no instances, inference components no model.

    `volume_gb` is the size in GB of the volume asked for, `None` where none was.
    """

    name: str
    model_name: str | None
    instance_type: str | None
    instance_count: int | None
    serverless: bool
    inference_ami_version: str | None
    startup_timeout_seconds: int | None
    download_timeout_seconds: int | None
    volume_gb: int | None = None


@dataclass(frozen=True, slots=True)
class EndpointConfigDescription:
    """An endpoint config: the variants that an endpoint made from it has."""

    name: str
    arn: str
    variants: tuple[VariantConfig, ...]
    created: datetime


@dataclass(frozen=True, slots=True)
class LiveVariant:
    """A production variant as it runs: instances there and wanted, and its weight; `None` where there are none."""

    name: str
    current_count: int | None
    desired_count: int | None
    current_weight: float | None


@dataclass(frozen=True, slots=True)
class EndpointDescription:
    """An endpoint. `status` is SageMaker's word; `failure_reason` what it says of a failed one."""

    name: str
    arn: str
    status: str
    failure_reason: str | None
    config_name: str | None
    variants: tuple[LiveVariant, ...]
    created: datetime
    modified: datetime

    @property
    def settled(self) -> bool:
        """Whether its status changes no more by itself."""
        return self.status in SETTLED


@dataclass(frozen=True, slots=True)
class EndpointListing:
    """An endpoint as lists tell of it."""

    name: str
    arn: str
    status: str
    created: datetime
    modified: datetime


def model_from_api(answer: Mapping[str, Any]) -> ModelDescription:
    """Return the value of a DescribeModel answer."""
    primary = answer.get("PrimaryContainer")
    containers = [primary] if primary else answer.get("Containers") or []
    return ModelDescription(
        name=clean_line(answer["ModelName"]),
        arn=clean_line(answer["ModelArn"]),
        role_arn=_line(answer.get("ExecutionRoleArn")),
        containers=tuple(_container(item) for item in containers),
        created=answer["CreationTime"],
    )


def config_from_api(answer: Mapping[str, Any]) -> EndpointConfigDescription:
    """Return the value of a DescribeEndpointConfig answer."""
    return EndpointConfigDescription(
        name=clean_line(answer["EndpointConfigName"]),
        arn=clean_line(answer["EndpointConfigArn"]),
        variants=tuple(
            VariantConfig(
                name=clean_line(item["VariantName"]),
                model_name=_line(item.get("ModelName")),
                instance_type=_line(item.get("InstanceType")),
                instance_count=item.get("InitialInstanceCount"),
                serverless=bool(item.get("ServerlessConfig")),
                inference_ami_version=_line(item.get("InferenceAmiVersion")),
                startup_timeout_seconds=item.get("ContainerStartupHealthCheckTimeoutInSeconds"),
                download_timeout_seconds=item.get("ModelDataDownloadTimeoutInSeconds"),
                volume_gb=item.get("VolumeSizeInGB"),
            )
            for item in answer.get("ProductionVariants", ())
        ),
        created=answer["CreationTime"],
    )


def endpoint_from_api(answer: Mapping[str, Any]) -> EndpointDescription:
    """Return the value of a DescribeEndpoint answer."""
    return EndpointDescription(
        name=clean_line(answer["EndpointName"]),
        arn=clean_line(answer["EndpointArn"]),
        status=clean_line(answer["EndpointStatus"]),
        failure_reason=_line(answer.get("FailureReason")),
        config_name=_line(answer.get("EndpointConfigName")),
        variants=tuple(
            LiveVariant(
                name=clean_line(item["VariantName"]),
                current_count=item.get("CurrentInstanceCount"),
                desired_count=item.get("DesiredInstanceCount"),
                current_weight=item.get("CurrentWeight"),
            )
            for item in answer.get("ProductionVariants") or ()
        ),
        created=answer["CreationTime"],
        modified=answer["LastModifiedTime"],
    )


def listing_from_api(item: Mapping[str, Any]) -> EndpointListing:
    """Return the value of one element of a ListEndpoints answer."""
    return EndpointListing(
        name=clean_line(item["EndpointName"]),
        arn=clean_line(item["EndpointArn"]),
        status=clean_line(item["EndpointStatus"]),
        created=item["CreationTime"],
        modified=item["LastModifiedTime"],
    )


def _container(item: Mapping[str, Any]) -> ContainerDescription:
    source = (item.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return ContainerDescription(
        image=_line(item.get("Image")),
        environment={clean_line(key): clean(value) for key, value in (item.get("Environment") or {}).items()},
        model_data_uri=_line(item.get("ModelDataUrl") or source.get("S3Uri")),
    )


def _line(value: str | None) -> str | None:
    return clean_line(value) if value else None
