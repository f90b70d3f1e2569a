"""Options over a plan file."""

import pytest

from core.deployments.plan import PlannedRole
from core.deployments.planner import Choices
from core.deployments.revision import choices_over, must_be_decided_anew, revise
from core.errors import UsageError
from tests.unit.plans import a_plan


def test_without_choices_the_plan_stays_as_it_is() -> None:
    assert revise(a_plan(), Choices()) == a_plan()


def test_a_new_name_moves_all_that_is_named_after_it() -> None:
    changed = revise(a_plan(), Choices(name="other"))
    assert changed.endpoint.name == "other"
    assert changed.artifact.key_prefix == "sagemaker/sagewizard/other/"
    assert changed.role == PlannedRole(arn=None, create="sagewizard-other-us-east-1")
    assert changed.reasons["endpoint.name"] == "as chosen"


def test_role_bucket_and_count_can_be_chosen() -> None:
    arn = "arn:aws:iam::123456789012:role/mine"
    changed = revise(a_plan(), Choices(role="mine", bucket="my-bucket", instance_count=3), role_arn=arn)
    assert changed.role == PlannedRole(arn=arn, create=None)
    assert changed.artifact.bucket == "my-bucket"
    assert changed.endpoint.instance_count == 3
    assert revise(changed, Choices(role="create", instance_count=3)).role == a_plan().role


@pytest.mark.parametrize(
    "choices",
    [Choices(instance_type="ml.g5.xlarge"), Choices(template="./mine"), Choices(context=9), Choices(concurrency=2)],
)
def test_what_other_decisions_follow_from_makes_the_plan_anew(choices: Choices) -> None:
    assert must_be_decided_anew(a_plan(), choices)
    over = choices_over(a_plan(), choices)
    assert over.name == "tiny"
    assert over.role == "create"
    assert over.instance_type == (choices.instance_type or "ml.m5.large")
    assert over.template == (choices.template or "text_generation")


@pytest.mark.parametrize("choices", [Choices(), Choices(instance_type="ml.m5.large"), Choices(name="other")])
def test_what_nothing_follows_from_does_not(choices: Choices) -> None:
    assert not must_be_decided_anew(a_plan(), choices)


def test_a_name_that_sagemaker_refuses_is_refused() -> None:
    with pytest.raises(UsageError):
        revise(a_plan(), Choices(name="a_b"))
