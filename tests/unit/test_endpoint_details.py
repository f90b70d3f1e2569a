"""Details of endpoints: what is hidden, counted and added up."""

from datetime import UTC, datetime

import pytest

from core.aws.descriptions import EndpointConfigDescription, EndpointDescription, LiveVariant, VariantConfig
from core.endpoints.details import (
    HIDDEN,
    Parts,
    console_url,
    hide_secrets,
    joined_types,
    total_count,
    total_price,
    variants_of,
)
from core.instances.prices import Price

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PRICES = {"ml.m5.large": Price(0.115, "list"), "ml.g5.xlarge": Price(1.4, "api"), "ml.odd": Price(None, "unknown")}


def configured(name: str, instance_type: str | None, count: int | None, *, serverless: bool = False) -> VariantConfig:
    return VariantConfig(name, "m", instance_type, count, serverless, None, None, None)


def parts(*variants: VariantConfig, live: tuple[LiveVariant, ...] = (), config: bool = True) -> Parts:
    endpoint = EndpointDescription("e", "arn", "InService", None, "c", live, NOW, NOW)
    return Parts(endpoint, EndpointConfigDescription("c", "arn", variants, NOW) if config else None, (), {})


def test_an_endpoint_that_starts_counts_what_it_will_have() -> None:
    found = variants_of(parts(configured("A", "ml.m5.large", 2), live=(LiveVariant("A", 0, 2, 0.0),)), PRICES)
    assert (joined_types(found), total_count(found)) == ("ml.m5.large", 2)
    assert total_price(found) == pytest.approx(0.23)


def test_variants_of_several_types_are_added_up() -> None:
    found = variants_of(parts(configured("A", "ml.m5.large", 1), configured("B", "ml.g5.xlarge", 1)), PRICES)
    assert (joined_types(found), total_count(found)) == ("ml.m5.large, ml.g5.xlarge", 2)
    assert total_price(found) == pytest.approx(1.515)


def test_a_price_that_is_not_known_leaves_the_sum_unknown() -> None:
    assert (
        total_price(variants_of(parts(configured("A", "ml.odd", 1), configured("B", "ml.m5.large", 1)), PRICES)) is None
    )
    assert total_price(variants_of(parts(configured("A", "ml.never.seen", 1)), PRICES)) is None


def test_a_serverless_endpoint_has_no_instances() -> None:
    found = variants_of(parts(configured("A", None, None, serverless=True)), PRICES)
    assert (joined_types(found), total_count(found), total_price(found)) == (None, None, None)
    assert found[0].serverless


def test_an_endpoint_whose_config_was_deleted_is_shown_as_far_as_it_goes() -> None:
    found = variants_of(parts(live=(LiveVariant("A", 1, 1, 1.0),), config=False), PRICES)
    assert (found[0].current_count, found[0].instance_type) == (1, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "hf_abcdef"),
        ("HF_API_TOKEN", "whatever"),
        ("aws_secret_access_key", "x"),
        ("DB_PASSWORD", "hunter2"),
        ("SOME_API_KEY", "123456789012"),
        ("NOTHING_ODD", "hf_abcdef"),
        ("NOTHING_ODD", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
def test_secrets_are_hidden(name: str, value: str) -> None:
    assert hide_secrets({name: value}) == {name: HIDDEN}


@pytest.mark.parametrize(
    ("name", "value"),
    [("HF_TASK", "text-generation"), ("SM_VLLM_MAX_NUM_BATCHED_TOKENS", "8192"), ("USE_KEYED_CACHE", "true")],
)
def test_what_is_no_secret_is_shown(name: str, value: str) -> None:
    assert hide_secrets({name: value}) == {name: value}


def test_the_console_is_that_of_the_partition() -> None:
    assert console_url("aws", "eu-west-1", "e") == (
        "https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/endpoints/e"
    )
    assert "amazonaws.cn" in console_url("aws-cn", "cn-north-1", "e")
