from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from core.sandbox.hosting.errors import ApiError
from core.sandbox.hosting.validation import validate

MODEL = Session().get_service_model("sagemaker")


def shape(operation: str) -> Any:
    return MODEL.operation_model(operation).input_shape


def fault(operation: str, request: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        validate(shape(operation), request)
    return caught.value


NAMES = st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", fullmatch=True).filter(lambda name: len(name) <= 63)


@given(NAMES)
def test_every_name_that_fits_the_pattern_is_accepted(name: str) -> None:
    assert validate(shape("DescribeEndpoint"), {"EndpointName": name}) == {"EndpointName": name}


@given(st.text().filter(lambda text: not text or not text.isascii() or not text.replace("-", "").isalnum()))
def test_every_other_text_is_refused_and_quoted(name: str) -> None:
    error = fault("DescribeEndpoint", {"EndpointName": name})
    assert error.code == "ValidationException"
    assert f"Value '{name}' at 'endpointName' failed to satisfy constraint" in error.message


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: key != "EndpointName"), st.integers()))
def test_unknown_members_are_dropped(more: dict[str, int]) -> None:
    assert validate(shape("DescribeEndpoint"), {**more, "EndpointName": "e"}) == {"EndpointName": "e"}


@pytest.mark.parametrize("value", [1, True, [], {}, 1.5])
def test_another_type_is_no_string(value: object) -> None:
    error = fault("DescribeEndpoint", {"EndpointName": value})
    assert error.code == "SerializationException"
    assert error.message.endswith("can not be converted to a String")


@pytest.mark.parametrize("value", ["1", True, 1.5])
def test_another_type_is_no_integer(value: object) -> None:
    assert fault("ListEndpoints", {"MaxResults": value}).code == "SerializationException"


def test_nulls_count_as_absent() -> None:
    assert validate(shape("ListEndpoints"), {"NameContains": None}) == {}
    assert "Member must not be null" in fault("DescribeEndpoint", {"EndpointName": None}).message


def test_moments_come_as_seconds_or_text() -> None:
    for value in (1.5, "1970-01-01T00:00:01.500Z", "1970-01-01T00:00:01.500"):
        found = validate(shape("ListEndpoints"), {"CreationTimeAfter": value})["CreationTimeAfter"]
        assert found.timestamp() == 1.5
    for value in ("yesterday", 1e300, float("nan")):
        assert fault("ListEndpoints", {"CreationTimeAfter": value}).code == "SerializationException"


def test_faults_are_counted_and_placed() -> None:
    variant = {"VariantName": "v", "InstanceType": "ml.m5.large", "InitialVariantWeight": -1}
    request = {"EndpointConfigName": "c", "ProductionVariants": [variant, {"VariantName": "-"}]}
    message = fault("CreateEndpointConfig", request).message
    assert message.startswith("2 validation errors detected: ")
    assert "at 'productionVariants.1.member.initialVariantWeight'" in message
    assert "Value '-' at 'productionVariants.2.member.variantName'" in message


def test_lists_have_lengths() -> None:
    assert "length greater than or equal to 1" in fault("DeleteTags", {"ResourceArn": ARN, "TagKeys": []}).message
    many = [{"Key": str(number), "Value": ""} for number in range(51)]
    assert "length less than or equal to 50" in fault("AddTags", {"ResourceArn": ARN, "Tags": many}).message


ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/m"


@pytest.mark.parametrize(
    ("key", "good"), [("Größe 1_a.b:c/d=e+f-g@h", True), ("日本", True), ("a;b", False), ("a#", False)]
)
def test_tags_have_letters_of_all_scripts(key: str, good: bool) -> None:
    request = {"ResourceArn": ARN, "Tags": [{"Key": key, "Value": ""}]}
    if good:
        assert validate(shape("AddTags"), request) == request
    else:
        assert "regular expression pattern" in fault("AddTags", request).message


@pytest.mark.parametrize(
    "name", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint", "ListEndpoints", "AddTags"]
)
def test_every_pattern_of_the_model_is_understood(name: str) -> None:
    """A pattern that Python cannot compile would only be found when somebody sends that member."""
    from core.sandbox.hosting.validation import _compiled

    def walk(found: Any, seen: set[str]) -> None:
        if found is None or found.name in seen:
            return
        seen.add(found.name)
        if pattern := found.metadata.get("pattern"):
            _compiled(pattern)
        for inner in (*getattr(found, "members", {}).values(), getattr(found, "member", None)):
            walk(inner, seen)

    seen: set[str] = set()
    walk(shape(name), seen)
