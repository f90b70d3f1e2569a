"""Tags: what AWS accepts, and what they must not give away."""

import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.aws import tags

# The pattern of a tag's value in SageMaker's service model, `\p{L}` and `\p{N}` written as Python has them.
AWS_VALUE = re.compile(r"[\w .:/=+\-@]{0,256}")


@given(st.text(max_size=400))
def test_any_text_becomes_a_value_that_aws_accepts(text: str) -> None:
    assert AWS_VALUE.fullmatch(tags.tag_value(text))


@given(st.from_regex(r"[A-Za-z0-9._/@-]{1,200}", fullmatch=True))
def test_a_hub_reference_stays_as_it_is(reference: str) -> None:
    assert tags.tag_value(reference) == reference


@pytest.mark.parametrize(
    ("reference", "kept"),
    [
        ("/home/someone/models/my model", "my model"),
        ("~/models/gpt/", "gpt"),
        ("./gpt", "gpt"),
        ("EleutherAI/gpt-neo-125m@main", "EleutherAI/gpt-neo-125m@main"),
        ("sample", "sample"),
    ],
)
def test_a_folder_is_tagged_by_its_own_name_only(reference: str, kept: str) -> None:
    assert tags.model_tag(reference) == kept


def test_what_carries_a_deployments_tag_is_ours() -> None:
    made = tags.resource_tags(deployment_id="d-1", model="/a/b", dialect="messages", engine="huggingface")
    assert made[tags.MODEL] == "b"
    assert tags.is_ours(made)
    assert tags.from_aws_tags(tags.as_aws_tags(made)) == made
    assert dict(parse_qsl(tags.as_query(made))) == made


@pytest.mark.parametrize("found", [{}, {"Name": "x"}, {tags.DEPLOYMENT: ""}, {tags.VERSION: "0.1.0"}])
def test_other_tags_do_not_make_it_ours(found: dict[str, str]) -> None:
    assert not tags.is_ours(found)
