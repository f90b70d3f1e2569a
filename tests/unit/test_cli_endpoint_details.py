"""What `endpoints show` prints of an endpoint of which little is known."""

from datetime import UTC, datetime

import pytest

from core.endpoints.details import EndpointDetails, VariantDetails
from tui.commands.endpoint_details import details_rows

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def of(variant: VariantDetails) -> EndpointDetails:
    return EndpointDetails(
        name="e",
        arn="arn",
        status="InService",
        failure_reason=None,
        created=NOW,
        modified=NOW,
        config_name=None,
        variants=(variant,),
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


@pytest.mark.parametrize(
    ("instance_type", "serverless", "told"),
    [
        ("ml.m5.large", False, "1 of 2 × ml.m5.large"),
        (None, False, "1 of 2 × an unknown type"),
        (None, True, "serverless"),
    ],
)
def test_a_variant_is_told_without_what_is_not_known(instance_type: str | None, serverless: bool, told: str) -> None:
    rows = dict(details_rows(of(VariantDetails("A", None, instance_type, 1, 2, serverless, None))))
    assert rows["Variant A"] == told
    assert "Price" not in rows
    assert not [value for value in rows.values() if "None" in value]
