"""CloudWatch metrics of an endpoint: how often it was asked, how often it failed, how long it took."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import explained

NAMESPACE: Final = "AWS/SageMaker"
_PERIOD: Final = 3600
# metric, statistic; SageMaker publishes them for each variant. ModelLatency is in microseconds.
_WANTED: Final = (
    ("Invocations", "Sum"),
    ("Invocation4XXErrors", "Sum"),
    ("Invocation5XXErrors", "Sum"),
    ("ModelLatency", "Sum"),
    ("ModelLatency", "SampleCount"),
    ("ModelLatency", "Maximum"),
)


@dataclass(frozen=True, slots=True)
class EndpointMetrics:
    """What CloudWatch counted over the last `hours`; latencies are milliseconds, `None` when nothing was asked.

    Counts lag a minute or two behind on AWS. The average latency is over all requests, not over periods.
    """

    hours: int
    invocations: int
    errors_4xx: int
    errors_5xx: int
    model_latency_ms: float | None
    slowest_ms: float | None


def endpoint_metrics(
    clients: Clients, endpoint_name: str, variants: Iterable[str], *, hours: int = 24
) -> EndpointMetrics:
    """Return what CloudWatch counted for these variants of an endpoint over the last `hours`.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    queries = [
        _query(f"m{number}v{index}", metric, statistic, endpoint_name, variant)
        for index, variant in enumerate(variants)
        for number, (metric, statistic) in enumerate(_WANTED)
    ]
    values: list[list[float]] = [[] for _ in _WANTED]
    # Periods begin at whole hours: a start within one would be rounded by CloudWatch anyway.
    now = datetime.now(UTC)
    start = (now - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
    with explained(f"read the metrics of the endpoint {endpoint_name}"):
        pages = clients.get("cloudwatch").get_paginator("get_metric_data")
        if queries:
            for page in pages.paginate(MetricDataQueries=queries, StartTime=start, EndTime=now + timedelta(minutes=1)):
                for result in page["MetricDataResults"]:
                    values[int(result["Id"][1:].split("v")[0])].extend(result["Values"])
    invocations, errors_4xx, errors_5xx, latency, asked = (sum(found) for found in values[:5])
    return EndpointMetrics(
        hours=hours,
        invocations=round(invocations),
        errors_4xx=round(errors_4xx),
        errors_5xx=round(errors_5xx),
        model_latency_ms=latency / asked / 1000 if asked else None,
        slowest_ms=max(values[5]) / 1000 if values[5] else None,
    )


def _query(query_id: str, metric: str, statistic: str, endpoint_name: str, variant: str) -> dict[str, Any]:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": metric,
                "Dimensions": [
                    {"Name": "EndpointName", "Value": endpoint_name},
                    {"Name": "VariantName", "Value": variant},
                ],
            },
            "Period": _PERIOD,
            "Stat": statistic,
        },
        "ReturnData": True,
    }
