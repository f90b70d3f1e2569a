"""The endpoint desk: every endpoint of the account's region, whoever made it: listed, shown, its log read."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from core.account import Account
from core.aws import hosting
from core.aws.descriptions import EndpointListing
from core.aws.logs import LogLine, LogTail, endpoint_log_group
from core.aws.metrics import EndpointMetrics, endpoint_metrics
from core.aws.tags import ENGINE, is_ours
from core.cancellation import CancelToken
from core.endpoints.details import (
    IDLE_STATUSES,
    EndpointDetails,
    Parts,
    console_url,
    hide_secrets,
    joined_types,
    look_up,
    total_count,
    total_price,
    variants_of,
)
from core.endpoints.dialects import image_repository
from core.errors import NotFoundError, SagewizardError
from core.instances.prices import Price, fetch_prices
from core.serving.engines import engine_of_image

__all__ = ["EndpointDetails", "EndpointSummary", "LogLine", "follow_logs", "list_endpoints", "show_endpoint"]

_AT_ONCE: Final = 8
_LOG_PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class EndpointSummary:
    """An endpoint in a list. `price_usd_per_hour` is for all its instances; `ours` means that sagewizard made it.

    Serverless endpoints have no instances; several instance types are joined by commas.
    """

    name: str
    status: str
    instance_type: str | None
    instance_count: int | None
    created: datetime
    ours: bool
    price_usd_per_hour: float | None


def list_endpoints(
    account: Account, *, prices: Mapping[str, Price] | None = None, cancel: CancelToken | None = None
) -> tuple[EndpointSummary, ...]:
    """Return the endpoints of the account in its region, the newest first.

    `prices` are by instance type; without them they are fetched (and cached for a day).

    Raises:
        CancelledByUser: stopping was asked for.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    cancel = cancel or CancelToken()
    listed = hosting.list_endpoints(account.clients)
    if not listed:
        return ()
    priced = fetch_prices(account.clients, cancel=cancel) if prices is None else prices

    def summarise(item: EndpointListing) -> EndpointSummary | None:
        cancel.check()
        try:
            return _summary(look_up(account.clients, item.name, with_models=False), priced)
        except NotFoundError:  # deleted meanwhile
            return None

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="endpoints") as pool:
        return tuple(found for found in pool.map(summarise, listed) if found is not None)


def show_endpoint(
    account: Account,
    name: str,
    *,
    prices: Mapping[str, Price] | None = None,
    metrics_hours: int | None = 24,
    cancel: CancelToken | None = None,
) -> EndpointDetails:
    """Return all that is known of one endpoint. Without `metrics_hours` CloudWatch is not asked.

    Raises:
        NotFoundError: there is no such endpoint; the fix names those that are called something like it.
        CancelledByUser: stopping was asked for.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    clients = account.clients
    cancel = cancel or CancelToken()
    try:
        parts = look_up(clients, name)
    except NotFoundError as error:
        raise absent(account, name) from error
    priced = fetch_prices(clients, cancel=cancel) if prices is None else prices
    endpoint, variants = parts.endpoint, variants_of(parts, priced)
    container = parts.models[0].container if parts.models else None
    image = container.image if container else None
    price = total_price(variants)
    return EndpointDetails(
        name=endpoint.name,
        arn=endpoint.arn,
        status=endpoint.status,
        failure_reason=endpoint.failure_reason,
        created=endpoint.created,
        modified=endpoint.modified,
        config_name=endpoint.config_name,
        variants=variants,
        models=tuple(model.name for model in parts.models),
        image=image,
        engine=parts.tags.get(ENGINE) or (engine_of_image(image) or image_repository(image) if image else None),
        environment=hide_secrets(container.environment) if container else {},
        model_data_uri=container.model_data_uri if container else None,
        role_arn=parts.models[0].role_arn if parts.models else None,
        tags=parts.tags,
        price_usd_per_hour=price,
        cost_usd_estimate=_cost(endpoint.status, endpoint.created, price),
        metrics=_metrics(account, name, tuple(variant.name for variant in variants), metrics_hours),
        log_group=endpoint_log_group(name),
        console_url=console_url(clients.partition, clients.region, name),
    )


def follow_logs(
    account: Account, name: str, *, cancel: CancelToken, follow: bool = False, since: datetime | None = None
) -> Iterator[LogLine]:
    """Yield what the endpoint's containers printed; with `follow` also what they go on to print, until stopped.

    The log of an endpoint that is gone can still be read.

    Raises:
        NotFoundError: there is neither such an endpoint nor a log of one.
        CancelledByUser: stopping was asked for.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    tail = LogTail(account.clients, endpoint_log_group(name), since=since)
    lines = tail.new_lines()
    if not lines and not hosting.endpoint_exists(account.clients, name):
        raise absent(account, name)
    while True:
        for line in lines:
            cancel.check()
            yield line
        if not follow:
            return
        cancel.wait(_LOG_PAUSE_SECONDS)
        lines = tail.new_lines()


def absent(account: Account, name: str) -> NotFoundError:
    """Return the error for an endpoint that does not exist, with the names that are near it, or all if they are few."""
    message = f"There is no endpoint named “{name}” in {account.region}."
    try:
        names = [item.name for item in hosting.list_endpoints(account.clients)]
    except SagewizardError:
        return NotFoundError(message, fix=f"{account.command('endpoints')} lists those that exist.")
    if not names:
        return NotFoundError(message, fix="The region has no endpoint at all: is it the right one (--region)?")
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return NotFoundError(message, fix=f"Did you mean {' or '.join(near)}?")
    return NotFoundError(message, fix=f"{account.command('endpoints')} lists those that exist.")


def _summary(parts: Parts, prices: Mapping[str, Price]) -> EndpointSummary:
    variants = variants_of(parts, prices)
    return EndpointSummary(
        name=parts.endpoint.name,
        status=parts.endpoint.status,
        instance_type=joined_types(variants),
        instance_count=total_count(variants),
        created=parts.endpoint.created,
        ours=is_ours(parts.tags),
        price_usd_per_hour=total_price(variants),
    )


def _cost(status: str, created: datetime, usd_per_hour: float | None) -> float | None:
    if usd_per_hour is None or status in IDLE_STATUSES:
        return None
    return usd_per_hour * max(0.0, (datetime.now(UTC) - created).total_seconds()) / 3600


def _metrics(account: Account, name: str, variants: tuple[str, ...], hours: int | None) -> EndpointMetrics | None:
    if hours is None:
        return None
    try:
        return endpoint_metrics(account.clients, name, variants, hours=hours)
    except SagewizardError:  # nice to have, and often not allowed
        return None
