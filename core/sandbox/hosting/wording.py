"""What AWS says when an endpoint fails or an invocation does, word for word where public reports quote it."""

from collections.abc import Mapping
from typing import Final

PRIMARY: Final = "primary"
TIMED_OUT: Final = (
    f"Your invocation timed out while waiting for a response from container {PRIMARY}. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)
NO_INSTANCE: Final = "A transient exception occurred while retrieving variant instances. Please try again later."


def ping_failed(variant: str) -> str:
    """Return the failure reason of an endpoint whose container ends early, or does not become healthy in time."""
    return (
        f"The {PRIMARY} container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )


def download_failed(url: str) -> str:
    """Return the failure reason when the model data is not there, or may not be read."""
    return (
        f'Failed to download model data for container "container_1" from URL: "{url}". Please ensure that there is an '
        "object located at the URL and that the role passed to CreateModel has permissions to download the object."
    )


def download_timed_out(variant: str, seconds: float) -> str:
    """Return the failure reason when the model data took longer than the variant allows (not AWS's own words)."""
    return (
        f"Downloading and unpacking the model data for production variant {variant} took longer than the "
        f"{seconds:g} seconds of ModelDataDownloadTimeoutInSeconds."
    )


def extract_failed(url: str, detail: str = "") -> str:
    """Return the failure reason when the model data is no archive that can be unpacked; `detail` says why."""
    reason = (
        f'Failed to extract model data archive for container "container_1" from URL "{url}". Please ensure that the '
        "object located at the URL is a valid tar.gz archive."
    )
    return f"{reason} ({detail})" if detail else reason


def no_stand_in(image: str, known: Mapping[str, str]) -> str:
    """Return the failure reason when the sandbox has nothing to run in the place of an image (its own words)."""
    return f"The sandbox has no stand-in for the container image {image}; it has one for {', '.join(sorted(known))}."


def endpoint_not_found(endpoint: str, account_id: str) -> str:
    """Return the message for an endpoint that does not exist, or does not serve yet or any more."""
    return f"Endpoint {endpoint} of account {account_id} not found."


def model_error(status: int, message: str | None, *, endpoint: str, region: str, account_id: str) -> str:
    """Return the message of a ModelError.

    `status` is what the container answered with, 0 when it did not; `message` is its body, `None` when that could
    not be read.
    """
    kind = "client" if 400 <= status < 500 else "server"
    said = f'with message "{message}"' if message is not None else "and could not load the entire response body"
    return (
        f"Received {kind} error ({status}) from {PRIMARY} {said}. See https://{region}.console.aws.amazon.com/"
        f"cloudwatch/home?region={region}#logEventViewer:group={log_group(endpoint)} in account {account_id} "
        "for more information."
    )


def log_group(endpoint: str) -> str:
    """Return the log group that the containers of an endpoint write to."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"
