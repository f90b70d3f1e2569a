"""The numbers of invocations that SageMaker puts to CloudWatch, sent in batches and off the invocations' way.

Names, units and meanings: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from core.sandbox.hosting.batching import Batches

NAMESPACE: Final = "AWS/SageMaker"
_PAUSE: Final = 0.5  # seconds that invocations gather
_MOST_WAITING: Final = 50_000
_DATA_PER_CALL: Final = 500  # PutMetricData takes 1,000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation as CloudWatch counts it: `status` is the container's (0: none); latencies are seconds."""

    region: str
    endpoint: str
    variant: str
    status: int
    model_seconds: float
    overhead_seconds: float
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def data(self) -> list[dict[str, Any]]:
        """Return its data for PutMetricData."""
        dimensions = [
            {"Name": "EndpointName", "Value": self.endpoint},
            {"Name": "VariantName", "Value": self.variant},
        ]
        client_error = 400 <= self.status < 500
        values = (
            ("Invocations", "Count", 1.0),
            ("Invocation4XXErrors", "Count", float(client_error)),
            ("Invocation5XXErrors", "Count", float(not client_error and not 200 <= self.status < 300)),
            ("ModelLatency", "Microseconds", round(self.model_seconds * 1e6)),
            ("OverheadLatency", "Microseconds", round(max(self.overhead_seconds, 0) * 1e6)),
        )
        return [
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": self.at, "Unit": unit, "Value": value}
            for name, unit, value in values
        ]


class InvocationMetrics:
    """Sends the numbers of invocations to CloudWatch. `client` gives the boto3 `cloudwatch` client of a region."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client
        self._batches = Batches(self._send_all, name="invocation-metrics", pause=_PAUSE, most=_MOST_WAITING)

    def record(self, invocation: Invocation) -> None:
        """Take one invocation, without waiting."""
        self._batches.add(invocation)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was taken is sent, for at most `timeout` seconds; return whether it is."""
        return self._batches.flush(timeout)

    def close(self, timeout: float) -> None:
        """Send what is left, for at most `timeout` seconds, and end."""
        self._batches.close(timeout)

    def _send_all(self, invocations: list[Invocation]) -> None:
        for region in {invocation.region for invocation in invocations}:
            self._send(region, [datum for one in invocations if one.region == region for datum in one.data()])

    def _send(self, region: str, data: list[dict[str, Any]]) -> None:
        try:
            client = self._client(region)
            for start in range(0, len(data), _DATA_PER_CALL):
                client.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + _DATA_PER_CALL])
        except Exception:
            logger.exception("The numbers of invocations could not be sent")
