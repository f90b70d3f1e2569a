"""An endpoint of which little is known, to which a test adds what it is about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from core.endpoints.details import EndpointDetails

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_FEW = EndpointDetails(
    name="tiny",
    arn="arn",
    status="InService",
    failure_reason=None,
    created=_NOON,
    modified=_NOON,
    config_name=None,
    variants=(),
    models=(),
    image=None,
    engine=None,
    environment={},
    model_data_uri=None,
    role_arn=None,
    tags={},
    price_usd_per_hour=None,
    cost_usd_estimate=None,
    metrics=None,
    log_group="/logs",
    console_url="https://example.com",
)


def few_details(**changes: Any) -> EndpointDetails:
    """Return the endpoint with some of its values changed."""
    return replace(_FEW, **changes)
