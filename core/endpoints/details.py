"""Everything a person wants to know of one endpoint, as a value, and how it is put together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.aws import hosting
from core.aws.clients import Clients
from core.aws.descriptions import EndpointConfigDescription, EndpointDescription, ModelDescription, VariantConfig
from core.aws.metrics import EndpointMetrics
from core.aws.tags import is_ours
from core.errors import AccessError, NotFoundError
from core.instances.prices import Price

HIDDEN: Final = "(hidden)"
"""Stands for the value of an environment variable that looks like a secret."""
IDLE_STATUSES: Final = frozenset({"Failed", "OutOfService", "Deleting"})
"""Statuses in which no instance serves, so that nothing more is paid."""

_SECRET_KEY = re.compile(r"TOKEN|SECRET|PASSW|KEY|CREDENTIAL", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"hf_\w|AKIA|ASIA|sk-\w|gh[pousr]_|-----BEGIN")
_HARMLESS = re.compile(r"\d{0,9}|true|false", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VariantDetails:
    """One production variant: as configured, and how many instances it has now and should have."""

    name: str
    model_name: str | None
    instance_type: str | None
    current_count: int | None
    desired_count: int | None
    serverless: bool
    price_usd_per_hour: float | None


@dataclass(frozen=True, slots=True)
class EndpointDetails:
    """An endpoint. What is not known, or may not be read, is `None` or empty.

    `environment` is that of the first model's container, secrets hidden. `price_usd_per_hour` is for all instances
    together; `cost_usd_estimate` is that price since its creation, as if it had always had as many. `created` and
    `modified` carry their zone. Logs are in `log_group`.
    """

    name: str
    arn: str
    status: str
    failure_reason: str | None
    created: datetime
    modified: datetime
    config_name: str | None
    variants: tuple[VariantDetails, ...]
    models: tuple[str, ...]
    image: str | None
    engine: str | None
    environment: Mapping[str, str]
    model_data_uri: str | None
    role_arn: str | None
    tags: Mapping[str, str]
    price_usd_per_hour: float | None
    cost_usd_estimate: float | None
    metrics: EndpointMetrics | None
    log_group: str
    console_url: str

    @property
    def ours(self) -> bool:
        """Whether sagewizard made it."""
        return is_ours(self.tags)

    @property
    def instance_type(self) -> str | None:
        """The type of its instances; several are joined by a comma, serverless endpoints have none."""
        return joined_types(self.variants)

    @property
    def instance_count(self) -> int | None:
        """How many instances all variants have; `None` for serverless endpoints."""
        return total_count(self.variants)


@dataclass(frozen=True, slots=True)
class Parts:
    """An endpoint with what it is made of, as far as that exists and may be read."""

    endpoint: EndpointDescription
    config: EndpointConfigDescription | None
    models: tuple[ModelDescription, ...]
    tags: Mapping[str, str]


def look_up(clients: Clients, name: str, *, with_models: bool = True) -> Parts:
    """Return an endpoint with its config, models and tags.

    Raises:
        NotFoundError: there is no such endpoint.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    endpoint = hosting.describe_endpoint(clients, name)
    try:
        config = hosting.describe_endpoint_config(clients, endpoint.config_name) if endpoint.config_name else None
    except NotFoundError:  # SageMaker lets a config in use be deleted
        config = None
    models: list[ModelDescription] = []
    if with_models and config is not None:
        for model_name in dict.fromkeys(variant.model_name for variant in config.variants if variant.model_name):
            try:
                models.append(hosting.describe_model(clients, model_name))
            except NotFoundError:
                continue
    return Parts(endpoint, config, tuple(models), _tags(clients, endpoint.arn))


def variants_of(parts: Parts, prices: Mapping[str, Price]) -> tuple[VariantDetails, ...]:
    """Return the variants of an endpoint, what runs joined with what was configured."""
    configured = {variant.name: variant for variant in parts.config.variants} if parts.config else {}
    live = {variant.name: variant for variant in parts.endpoint.variants}
    found = []
    for name in dict.fromkeys((*configured, *live)):
        wanted, running = configured.get(name), live.get(name)
        desired = running.desired_count if running else None
        if desired is None and wanted is not None:
            desired = wanted.instance_count
        found.append(
            VariantDetails(
                name=name,
                model_name=wanted.model_name if wanted else None,
                instance_type=wanted.instance_type if wanted else None,
                current_count=running.current_count if running else 0,
                desired_count=desired,
                serverless=bool(wanted and wanted.serverless),
                price_usd_per_hour=_price(wanted, desired, prices),
            )
        )
    return tuple(found)


def joined_types(variants: tuple[VariantDetails, ...]) -> str | None:
    """Return the instance types of variants, joined by commas; `None` without any."""
    return ", ".join(dict.fromkeys(item.instance_type for item in variants if item.instance_type)) or None


def total_count(variants: tuple[VariantDetails, ...]) -> int | None:
    """Return how many instances variants have, or should have while they start; `None` without any."""
    counts = [item.current_count or item.desired_count for item in variants if item.instance_type]
    return sum(count or 0 for count in counts) if counts else None


def total_price(variants: tuple[VariantDetails, ...]) -> float | None:
    """Return what all instances cost together, USD per hour; `None` when a price is not known."""
    prices = [item.price_usd_per_hour for item in variants]
    known = [price for price in prices if price is not None]
    return sum(known) if known and len(known) == len(prices) else None


def hide_secrets(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return environment variables with the values hidden that look like secrets, by their name or themselves."""
    return {
        name: HIDDEN
        if _SECRET_VALUE.match(value) or (_SECRET_KEY.search(name) and not _HARMLESS.fullmatch(value))
        else value
        for name, value in environment.items()
    }


def console_url(partition: str, region: str, name: str) -> str:
    """Return the address of the endpoint's page in the AWS console."""
    domain = {
        "aws": f"{region}.console.aws.amazon.com",
        "aws-cn": f"{region}.console.amazonaws.cn",
        "aws-us-gov": "console.amazonaws-us-gov.com",
    }[partition]
    return f"https://{domain}/sagemaker/home?region={region}#/endpoints/{name}"


def _price(variant: VariantConfig | None, count: int | None, prices: Mapping[str, Price]) -> float | None:
    if variant is None or variant.instance_type is None:
        return None
    price = prices.get(variant.instance_type)
    return price.usd_per_hour * (count or 1) if price and price.usd_per_hour is not None else None


def _tags(clients: Clients, arn: str) -> Mapping[str, str]:
    try:
        return hosting.resource_tags(clients, arn)
    except (AccessError, NotFoundError):  # who may not read tags still sees the endpoint
        return {}
