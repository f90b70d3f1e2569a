import re

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.deployments.names import check_endpoint_name, endpoint_name_from, numbered, role_name_for
from core.errors import UsageError

_SHAPES = botocore.session.get_session().get_service_model("sagemaker")
_ENDPOINT = _SHAPES.shape_for("EndpointName").metadata


def _accepted_by_aws(name: str) -> bool:
    return len(name) <= _ENDPOINT["max"] and re.fullmatch(_ENDPOINT["pattern"], name) is not None


@given(st.text(max_size=120))
def test_any_text_gives_a_name_that_aws_accepts(text: str) -> None:
    assert _accepted_by_aws(endpoint_name_from(text))


@given(st.text(max_size=120), st.integers(1, 9999))
def test_a_numbered_name_stays_valid_and_ends_in_its_number(text: str, number: int) -> None:
    name = numbered(endpoint_name_from(text), number)
    assert _accepted_by_aws(name)
    assert name.endswith(f"-{number}")


@given(st.from_regex(r"[a-zA-Z0-9-]{1,70}", fullmatch=True))
def test_the_check_agrees_with_aws(name: str) -> None:
    try:
        check_endpoint_name(name)
    except UsageError:
        assert not _accepted_by_aws(name)
    else:
        assert _accepted_by_aws(name)


def test_a_refused_name_comes_with_one_that_works() -> None:
    with pytest.raises(UsageError) as refused:
        check_endpoint_name("my_model v2")
    assert "my-model-v2" in refused.value.fix


def test_long_role_names_are_shortened_and_stay_different() -> None:
    one = role_name_for("a" * 63, "ap-southeast-2")
    other = role_name_for("a" * 62 + "b", "ap-southeast-2")
    assert len(one) <= 64
    assert len(other) <= 64
    assert one != other
