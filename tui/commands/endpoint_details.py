"""One endpoint in full, as lines for people and as a document for programs."""

from typing import TYPE_CHECKING, Any

from core.quantities import format_hourly, format_monthly

if TYPE_CHECKING:
    from core.endpoints.desk import EndpointDetails


def details_document(details: "EndpointDetails") -> dict[str, Any]:
    """Return what `endpoints show --json` prints: all fields, times in ISO 8601."""
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(details)
    return {
        **document,
        "instance_type": details.instance_type,
        "instance_count": details.instance_count,
        "ours": details.ours,
    }


def details_rows(details: "EndpointDetails") -> list[tuple[str, str]]:
    """Return what `endpoints show` prints: names and values, without those that are not known."""
    price = details.price_usd_per_hour
    rows = [
        ("Endpoint", details.name),
        ("Status", details.status),
        ("Failure", details.failure_reason),
        ("Made by", "sagewizard" if details.ours else "others"),
        ("Created", f"{details.created.astimezone():%Y-%m-%d %H:%M:%S}"),
        ("Changed", f"{details.modified.astimezone():%Y-%m-%d %H:%M:%S}"),
        *((f"Variant {variant.name}", _variant(variant)) for variant in details.variants),
        ("Price", None if price is None else f"{format_hourly(price)} ({format_monthly(price)})"),
        ("Cost so far", None if details.cost_usd_estimate is None else f"about ${details.cost_usd_estimate:,.2f}"),
        ("Models", ", ".join(details.models)),
        ("Engine", details.engine),
        ("Image", details.image),
        ("Artifact", details.model_data_uri),
        ("Role", details.role_arn),
        *((f"  {name}", value) for name, value in sorted(details.environment.items())),
        ("Requests", _metrics(details)),
        ("Log group", details.log_group),
        ("Console", details.console_url),
    ]
    return [(name, value) for name, value in rows if value]


def _variant(variant: Any) -> str:
    if variant.serverless:
        return "serverless"
    instance_type = variant.instance_type or "an unknown type"
    return f"{variant.current_count or 0} of {variant.desired_count or 0} × {instance_type}"


def _metrics(details: "EndpointDetails") -> str | None:
    metrics = details.metrics
    if metrics is None:
        return None
    told = f"{metrics.invocations} in {metrics.hours} h, {metrics.errors_4xx} refused, {metrics.errors_5xx} failed"
    if metrics.model_latency_ms is not None:
        told += f"; {metrics.model_latency_ms:,.0f} ms each on average"
    return told
