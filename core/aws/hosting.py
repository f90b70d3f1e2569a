"""SageMaker's control plane for hosting: models, endpoint configs and endpoints made, described, listed and deleted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from core.aws.clients import Clients
from core.aws.descriptions import (
    EndpointConfigDescription,
    EndpointDescription,
    EndpointListing,
    ModelDescription,
    config_from_api,
    endpoint_from_api,
    listing_from_api,
    model_from_api,
)
from core.aws.failures import error_code, error_message, explained
from core.aws.propagation import (
    RECORD_SECONDS,
    ROLE_SECONDS,
    is_new_record_failure,
    is_new_role_failure,
    retried,
)
from core.aws.tags import DEPLOYMENT, as_aws_tags, from_aws_tags
from core.cancellation import CancelToken
from core.errors import AccessError, NotFoundError, RefusedError, SagewizardError

_T = TypeVar("_T")

Told = Callable[[str], None]
"""Told what AWS said when a request has to be repeated after a pause."""

_ABSENT: Final = "could not find"
_TAKEN: Final = "cannot create already existing"
_IN_PROGRESS: Final = "in-progress"


def _not_told(_said: str) -> None:
    pass


def create_model(
    clients: Clients,
    name: str,
    *,
    image: str,
    environment: Mapping[str, str],
    role_arn: str,
    tags: Mapping[str, str],
    model_data_url: str | None = None,
    model_data_prefix: str | None = None,
    role_is_new: bool = False,
    cancel: CancelToken | None = None,
    on_wait: Told = _not_told,
) -> str:
    """Create a model from an archive (`model_data_url`) or an uncompressed prefix (`model_data_prefix`, ends in `/`).

    With `role_is_new`, the answers that SageMaker gives while IAM makes a role known are waited out, up to a minute.

    Returns:
        Its ARN.

    Raises:
        ValueError: both or none of the two places of model data are given.
        RefusedError: there is a model of that name, or a value is not as SageMaker wants it.
        CancelledByUser: stopped while waiting.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    if (model_data_url is None) == (model_data_prefix is None):
        raise ValueError("give either model_data_url or model_data_prefix")
    container: dict[str, Any] = {"Image": image, "Environment": dict(environment)}
    if model_data_url is not None:
        container["ModelDataUrl"] = model_data_url
    else:
        container["ModelDataSource"] = {
            "S3DataSource": {"S3Uri": model_data_prefix, "S3DataType": "S3Prefix", "CompressionType": "None"}
        }

    def call() -> str:
        made: str = clients.get("sagemaker").create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role_arn, Tags=as_aws_tags(tags)
        )["ModelArn"]
        return made

    with explained(f"create the model {name}"):
        try:
            return _unless_taken(
                "model",
                name,
                lambda: retried(
                    call,
                    while_failing=is_new_role_failure,
                    seconds=ROLE_SECONDS if role_is_new else 0,
                    cancel=cancel or CancelToken(),
                    on_wait=on_wait,
                ),
                _Made(clients, tags, lambda: describe_model(clients, name).arn),
            )
        except ClientError as error:
            if not is_new_role_failure(error):
                raise
            raise AccessError(
                f"SageMaker cannot use the role {role_arn} for the model {name}: {error_message(error)}",
                fix="Choose a role that trusts sagemaker.amazonaws.com and may read that object (s3:GetObject), or let "
                "sagewizard create one.",
            ) from error


def create_endpoint_config(
    clients: Clients,
    name: str,
    *,
    model_name: str,
    instance_type: str,
    instance_count: int,
    variant: str,
    startup_timeout_seconds: int,
    download_timeout_seconds: int,
    tags: Mapping[str, str],
    inference_ami_version: str | None = None,
    volume_gb: int | None = None,
    cancel: CancelToken | None = None,
    on_wait: Told = _not_told,
) -> str:
    """Create an endpoint config of one variant; timeouts are seconds, within 60 to 3,600. Returns its ARN.

    `volume_gb` is the size of each instance's volume, 1 to 512 GB; types with a disk of their own take none.

    Raises:
        RefusedError: there is a config of that name, or a value is not as SageMaker wants it.
        CancelledByUser: stopped while waiting for the model to be known.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    production: dict[str, Any] = {
        "VariantName": variant,
        "ModelName": model_name,
        "InstanceType": instance_type,
        "InitialInstanceCount": instance_count,
        "InitialVariantWeight": 1.0,
        "ContainerStartupHealthCheckTimeoutInSeconds": startup_timeout_seconds,
        "ModelDataDownloadTimeoutInSeconds": download_timeout_seconds,
    }
    if inference_ami_version:
        production["InferenceAmiVersion"] = inference_ami_version
    if volume_gb is not None:
        production["VolumeSizeInGB"] = volume_gb

    def call() -> str:
        made: str = clients.get("sagemaker").create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[production], Tags=as_aws_tags(tags)
        )["EndpointConfigArn"]
        return made

    with explained(f"create the endpoint config {name}"):
        made = _Made(clients, tags, lambda: describe_endpoint_config(clients, name).arn)
        return _unless_taken("endpoint config", name, lambda: _settled(call, cancel, on_wait), made)


def create_endpoint(
    clients: Clients,
    name: str,
    *,
    config_name: str,
    tags: Mapping[str, str],
    cancel: CancelToken | None = None,
    on_wait: Told = _not_told,
) -> str:
    """Begin to create an endpoint; `describe_endpoint` tells how it goes. Returns its ARN.

    Raises:
        RefusedError: there is an endpoint of that name, or the account's quota is used up.
        CancelledByUser: stopped while waiting for the config to be known.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """

    def call() -> str:
        made: str = clients.get("sagemaker").create_endpoint(
            EndpointName=name, EndpointConfigName=config_name, Tags=as_aws_tags(tags)
        )["EndpointArn"]
        return made

    with explained(f"create the endpoint {name}"):
        made = _Made(clients, tags, lambda: describe_endpoint(clients, name).arn)
        return _unless_taken("endpoint", name, lambda: _settled(call, cancel, on_wait), made)


def describe_model(clients: Clients, name: str) -> ModelDescription:
    """Return what SageMaker tells of a model.

    Raises:
        NotFoundError: there is no such model.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    return model_from_api(_described("model", name, lambda: clients.get("sagemaker").describe_model(ModelName=name)))


def describe_endpoint_config(clients: Clients, name: str) -> EndpointConfigDescription:
    """Return what SageMaker tells of an endpoint config.

    Raises:
        NotFoundError: there is no such config.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    found = _described(
        "endpoint config", name, lambda: clients.get("sagemaker").describe_endpoint_config(EndpointConfigName=name)
    )
    return config_from_api(found)


def describe_endpoint(clients: Clients, name: str) -> EndpointDescription:
    """Return what SageMaker tells of an endpoint. Its instance types are in its config.

    Raises:
        NotFoundError: there is no such endpoint.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    return endpoint_from_api(
        _described("endpoint", name, lambda: clients.get("sagemaker").describe_endpoint(EndpointName=name))
    )


def model_exists(clients: Clients, name: str) -> bool:
    """Return whether there is a model of that name; errors as `describe_model` raises them."""
    return _is_there(lambda: describe_model(clients, name))


def endpoint_config_exists(clients: Clients, name: str) -> bool:
    """Return whether there is a config of that name; errors as `describe_endpoint_config` raises them."""
    return _is_there(lambda: describe_endpoint_config(clients, name))


def endpoint_exists(clients: Clients, name: str) -> bool:
    """Return whether there is an endpoint of that name; errors as `describe_endpoint` raises them."""
    return _is_there(lambda: describe_endpoint(clients, name))


def list_endpoints(clients: Clients) -> tuple[EndpointListing, ...]:
    """Return all endpoints of the region, the newest first.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    pages = clients.get("sagemaker").get_paginator("list_endpoints")
    with explained("list the endpoints"):
        return tuple(
            listing_from_api(item)
            for page in pages.paginate(SortBy="CreationTime", SortOrder="Descending")
            for item in page["Endpoints"]
        )


def resource_tags(clients: Clients, arn: str) -> Mapping[str, str]:
    """Return the tags of a model, config or endpoint.

    Raises:
        NotFoundError: it does not exist.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    pages = clients.get("sagemaker").get_paginator("list_tags")

    def call() -> dict[str, str]:
        return from_aws_tags(tag for page in pages.paginate(ResourceArn=arn) for tag in page["Tags"])

    return _described("resource", arn, call)


def delete_model(clients: Clients, name: str) -> bool:
    """Delete a model; its data in S3 stays. Returns whether there was one; errors as all of these raise them."""
    return _deleted("model", name, lambda: clients.get("sagemaker").delete_model(ModelName=name))


def delete_endpoint_config(clients: Clients, name: str) -> bool:
    """Delete an endpoint config. Returns whether there was one; errors as all of these raise them."""
    return _deleted(
        "endpoint config", name, lambda: clients.get("sagemaker").delete_endpoint_config(EndpointConfigName=name)
    )


def delete_endpoint(clients: Clients, name: str) -> bool:
    """Begin to delete an endpoint. Returns whether there was one.

    Raises:
        EndpointBusyError: SageMaker does not delete it while it is created or updated.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    def call() -> object:
        try:
            return clients.get("sagemaker").delete_endpoint(EndpointName=name)
        except ClientError as error:
            if error_code(error) == "ValidationException" and _IN_PROGRESS in error_message(error).lower():
                raise EndpointBusyError(
                    f"SageMaker does not delete the endpoint {name} yet: it is still being created or updated.",
                    fix=f"Repeat `sagewizard endpoints delete {name}` when it has settled.",
                ) from error
            raise

    return _deleted("endpoint", name, call)


class EndpointBusyError(RefusedError):
    """SageMaker changes an endpoint at the moment and takes no other change until that is over."""


def _settled(call: Callable[[], str], cancel: CancelToken | None, on_wait: Told) -> str:
    return retried(
        call,
        while_failing=is_new_record_failure,
        seconds=RECORD_SECONDS,
        cancel=cancel or CancelToken(),
        on_wait=on_wait,
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """How to find out whether what has the name already was made by this very deployment."""

    clients: Clients
    tags: Mapping[str, str]
    find_arn: Callable[[], str]

    def arn(self) -> str | None:
        """Return its ARN where it carries the tag of the same deployment; `None` where it does not, or is not told."""
        try:
            arn = self.find_arn()
            found = resource_tags(self.clients, arn).get(DEPLOYMENT)
        except SagewizardError:
            return None
        return arn if found is not None and found == self.tags.get(DEPLOYMENT) else None


def _unless_taken(kind: str, name: str, call: Callable[[], str], made: _Made) -> str:
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if _TAKEN not in error_message(error).lower():
            raise
        if arn := made.arn():  # made by an attempt whose answer was lost, or by a run that was killed
            return arn
        raise RefusedError(
            f"There is already {'an' if kind[0] in 'aeiou' else 'a'} {kind} named {name}.", fix="Choose another name."
        ) from error


def _described(kind: str, name: str, call: Callable[[], _T]) -> _T:
    from botocore.exceptions import ClientError

    with explained(f"look up the {kind} {name}"):
        try:
            return call()
        except ClientError as error:
            if not _is_absent(error):
                raise
            raise NotFoundError(
                f"There is no {kind} named {name}.", fix="`sagewizard endpoints` lists those that exist."
            ) from error


def _deleted(kind: str, name: str, call: Callable[[], object]) -> bool:
    from botocore.exceptions import ClientError

    with explained(f"delete the {kind} {name}"):
        try:
            call()
        except ClientError as error:
            if not _is_absent(error):
                raise
            return False
    return True


def _is_there(describe: Callable[[], object]) -> bool:
    try:
        describe()
    except NotFoundError:
        return False
    return True


def _is_absent(error: BaseException) -> bool:
    if error_code(error) in {"ResourceNotFound", "ResourceNotFoundException"}:
        return True
    return error_code(error) == "ValidationException" and _ABSENT in error_message(error).lower()
