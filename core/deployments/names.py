"""Names for what a deployment makes: valid for AWS, and derived from the endpoint's name so they are found again."""

import hashlib
import re

from core.errors import UsageError

# CreateEndpoint, EndpointName: at most 63 characters of this pattern.
_ENDPOINT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", re.ASCII)
_ENDPOINT_NAME_LENGTH = 63
_ROLE_NAME_LENGTH = 64  # CreateRole, RoleName
ROLE_PREFIX = "sagewizard-"
KEY_PREFIX = "sagemaker/sagewizard/"
"""Where artifacts lie. AmazonSageMakerFullAccess lets a role read whatever has `sagemaker` in its bucket or key."""


def check_endpoint_name(name: str) -> str:
    """Return `name` when SageMaker accepts it for an endpoint, a model and an endpoint config.

    Raises:
        UsageError: it does not, with the nearest name that it does.
    """
    if _ENDPOINT_NAME.fullmatch(name) and len(name) <= _ENDPOINT_NAME_LENGTH:
        return name
    raise UsageError(
        f"SageMaker does not accept “{name}” as the name of an endpoint: letters, digits and single hyphens between "
        f"them, at most {_ENDPOINT_NAME_LENGTH} characters.",
        fix=f"For example: {endpoint_name_from(name)}.",
    )


def endpoint_name_from(text: str) -> str:
    """Return a valid endpoint name that resembles `text`; `model` when nothing of it can be used."""
    words = re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-").lower()
    return words[:_ENDPOINT_NAME_LENGTH].rstrip("-") or "model"


def numbered(name: str, number: int) -> str:
    """Return the valid endpoint name `name-number`, shortened where it would be too long."""
    ending = f"-{number}"
    return name[: _ENDPOINT_NAME_LENGTH - len(ending)].rstrip("-") + ending


def role_name_for(endpoint: str, region: str) -> str:
    """Return the name of the execution role made for an endpoint; roles are global, so the region is part of it."""
    name = f"{ROLE_PREFIX}{endpoint}-{region}"
    if len(name) <= _ROLE_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _ROLE_NAME_LENGTH - len(digest) - 1]}-{digest}"


def artifact_prefix_for(model: str) -> str:
    """Return the S3 key prefix of the artifacts of a model, given its short name, ending in `/`."""
    return f"{KEY_PREFIX}{endpoint_name_from(model)}/"
