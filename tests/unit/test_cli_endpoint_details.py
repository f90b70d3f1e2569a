"""What `endpoints show` prints of an endpoint of which little is known."""

import pytest

from core.endpoints.details import VariantDetails
from tests.unit.few_details import few_details
from tui.commands.endpoint_details import details_rows


@pytest.mark.parametrize(
    ("instance_type", "serverless", "told"),
    [
        ("ml.m5.large", False, "1 of 2 × ml.m5.large"),
        (None, False, "1 of 2 × an unknown type"),
        (None, True, "serverless"),
    ],
)
def test_a_variant_is_told_without_what_is_not_known(instance_type: str | None, serverless: bool, told: str) -> None:
    variant = VariantDetails("A", None, instance_type, 1, 2, serverless, None)
    rows = dict(details_rows(few_details(variants=(variant,))))
    assert rows["Variant A"] == told
    assert "Price" not in rows
    assert not [value for value in rows.values() if "None" in value]
