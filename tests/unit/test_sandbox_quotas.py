from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.instances.catalog import catalog
from core.sandbox import quotas
from core.sandbox.hosting.listing import Listed, page
from core.sandbox.hosting.records import EndpointRecord, EndpointStatus, HostingState, RegionState, VariantRecord


def endpoint(name: str, status: EndpointStatus, *counts: int, instance_type: str = "ml.g5.xlarge") -> EndpointRecord:
    variants = [
        VariantRecord(
            name=str(number),
            model_name="m",
            instance_type=instance_type,
            desired_count=count,
            desired_weight=1.0,
            container={},
            role_arn="r",
            startup_timeout=60,
            download_timeout=60,
        )
        for number, count in enumerate(counts)
    ]
    return EndpointRecord(name, "arn", "us-east-1", "c", variants, {}, status=status)


def test_a_new_account_has_only_types_that_exist_and_no_large_gpus() -> None:
    found = quotas.new_account_quotas()
    assert set(found) <= set(catalog())
    assert not any(name.startswith(("ml.p", "ml.inf", "ml.trn")) for name in found)
    for name in catalog():
        if name.startswith("ml.g"):
            assert found[name] in {1, 2}


def test_endpoints_use_instances_until_they_are_gone_or_failed() -> None:
    region = RegionState()
    for number, status in enumerate(("Creating", "InService", "Updating")):
        region.endpoints[str(number)] = endpoint(str(number), status, 1, 2)  # type: ignore[arg-type]
    region.endpoints["failed"] = endpoint("failed", "Failed", 5)
    region.endpoints["deleting"] = endpoint("deleting", "Deleting", 5)
    region.endpoints["other"] = endpoint("other", "InService", 7, instance_type="ml.m5.large")
    assert quotas.used(region, "ml.g5.xlarge") == 9
    assert quotas.used(region, "ml.m5.large") == 7


def test_while_it_is_updated_an_endpoint_uses_the_larger_of_what_it_has_and_will_have() -> None:
    region = RegionState()
    region.endpoints["more"] = endpoint("more", "Updating", 1)
    region.endpoints["more"].pending = endpoint("", "Updating", 2).variants
    region.endpoints["fewer"] = endpoint("fewer", "Updating", 3)
    region.endpoints["fewer"].pending = endpoint("", "Updating", 1).variants
    assert quotas.used(region, "ml.g5.xlarge") == 5


def test_a_quota_that_was_set_counts_also_when_it_is_lower() -> None:
    region = RegionState(quotas={"ml.g5.xlarge": 0, "ml.p5.48xlarge": 4})
    assert quotas.limit(region, "ml.g5.xlarge") == 0
    assert quotas.limit(region, "ml.p5.48xlarge") == 4
    assert quotas.limit(RegionState(), "ml.p5.48xlarge") == 0


def test_every_type_has_a_code_of_its_own() -> None:
    codes = {quotas.quota_code(name) for name in catalog()}
    assert len(codes) == len(catalog())


@pytest.mark.parametrize("size", [7, 99, 100, 277])
def test_pages_of_any_size_show_every_quota_once(size: int) -> None:
    operations = quotas.ServiceQuotas(HostingState()).operations()
    seen: list[str] = []
    request: dict[str, Any] = {"ServiceCode": "sagemaker", "MaxResults": size}
    while True:
        answer = operations["ListServiceQuotas"]("us-east-1", request)
        assert len(answer["Quotas"]) <= size
        seen += [quota["QuotaName"] for quota in answer["Quotas"]]
        if "NextToken" not in answer:
            break
        request["NextToken"] = answer["NextToken"]
    assert seen == [f"{name} for endpoint usage" for name in catalog()]


THINGS = st.lists(
    st.builds(
        lambda name, seconds, status: Listed(
            name, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), {"name": name}, status=status
        ),
        st.text("abc", min_size=1, max_size=4),
        st.integers(0, 5),
        st.sampled_from(["InService", "Failed"]),
    ),
    max_size=15,
    unique_by=lambda thing: thing.name,
)


@given(
    THINGS,
    st.integers(1, 5),
    st.sampled_from(["Name", "CreationTime", "Status"]),
    st.sampled_from(["Ascending", "Descending"]),
)
def test_pages_put_together_are_the_sorted_whole(things: list[Listed], size: int, by: str, order: str) -> None:
    request: dict[str, Any] = {"SortBy": by, "SortOrder": order, "MaxResults": size}
    seen: list[str] = []
    while True:
        answer = page(things, request, "Things")
        seen += [summary["name"] for summary in answer["Things"]]
        if "NextToken" not in answer:
            break
        request["NextToken"] = answer["NextToken"]
    found = {thing.name: thing for thing in things}
    assert sorted(seen) == sorted(found)
    attribute = {"Name": "name", "CreationTime": "created", "Status": "status"}[by]
    values = [getattr(found[name], attribute) for name in seen]
    assert values == sorted(values, reverse=order == "Descending")
