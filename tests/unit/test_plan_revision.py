"""Options over a plan file."""

from dataclasses import replace

import pytest

from core.deployments.plan import Plan, PlannedRole
from core.deployments.planner import Choices
from core.deployments.revision import at_price_of_its_type, choices_over, must_be_decided_anew, revise
from core.errors import UsageError
from core.instances.prices import Price
from tests.unit.plans import a_plan


def test_without_choices_the_plan_stays_as_it_is() -> None:
    assert revise(a_plan(), Choices()) == a_plan()


def test_a_new_name_moves_all_that_is_named_after_it() -> None:
    changed = revise(a_plan(), Choices(name="other"))
    assert changed.endpoint.name == "other"
    assert changed.artifact.key_prefix == a_plan().artifact.key_prefix, "artifacts are called by their models"
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


def _with_role(create: str) -> Plan:
    return replace(a_plan(), role=PlannedRole(arn=None, create=create))


@pytest.mark.parametrize("choices", [Choices(), Choices(role="create"), Choices(role="create", name="other")])
def test_a_role_that_a_person_named_keeps_its_name(choices: Choices) -> None:
    plan = _with_role("my-team-role")
    assert revise(plan, choices).role == plan.role
    assert choices_over(plan, choices).new_role == "my-team-role"


def test_a_role_named_after_the_endpoint_is_not_taken_for_one_that_a_person_named() -> None:
    assert choices_over(a_plan(), Choices(name="other")).new_role is None
    assert revise(a_plan(), Choices(role="create", name="other")).role.create == "sagewizard-other-us-east-1"


def test_an_existing_role_takes_the_place_of_one_that_the_plan_names() -> None:
    arn = "arn:aws:iam::123456789012:role/mine"
    assert revise(_with_role("my-team-role"), Choices(role="mine"), role_arn=arn).role == PlannedRole(arn, None)


def test_a_plan_costs_what_its_type_costs() -> None:
    plan = replace(a_plan(), endpoint=replace(a_plan().endpoint, instance_type="ml.m5.xlarge", instance_count=2))
    priced = at_price_of_its_type(plan, {"ml.m5.large": Price(0.115, "api"), "ml.m5.xlarge": Price(0.23, "api")})
    assert priced.price_usd_per_hour == pytest.approx(0.46)
    assert priced.endpoint.price_source == "api"
    assert "$0.23/h" in priced.reasons["endpoint.price_usd_per_hour"]
    assert at_price_of_its_type(priced, {}).endpoint == priced.endpoint  # nobody knows better
    without = replace(plan, endpoint=replace(plan.endpoint, price_usd_per_hour=None, price_source="unknown"))
    assert at_price_of_its_type(without, {}).price_usd_per_hour is None


def test_a_plan_whose_image_does_not_run_on_its_type_is_decided_anew_when_the_type_is_asked_for() -> None:
    plan = replace(a_plan(), endpoint=replace(a_plan().endpoint, instance_type="ml.g5.xlarge"))
    choices = Choices(instance_type="ml.g5.xlarge")
    assert must_be_decided_anew(plan, choices, type_asked_for=True)
    assert not must_be_decided_anew(plan, choices)
    assert not must_be_decided_anew(a_plan(), Choices(instance_type="ml.m5.large"), type_asked_for=True)


def test_a_volume_stays_where_nothing_follows_from_the_choices() -> None:
    plan = replace(a_plan(), endpoint=replace(a_plan().endpoint, volume_gb=100))
    assert revise(plan, Choices(name="other", instance_count=3)).endpoint.volume_gb == 100


def test_a_plan_made_anew_for_a_type_without_quota_is_chosen_so_again() -> None:
    assert choices_over(a_plan(), Choices(without_quota=True)).without_quota
    assert not choices_over(a_plan(), Choices()).without_quota


def test_a_plan_made_anew_holds_what_it_was_made_for() -> None:
    plan = replace(a_plan(), endpoint=replace(a_plan().endpoint, context=131_072, concurrency=4))
    anew = choices_over(plan, Choices(instance_type="ml.g5.xlarge"))
    assert (anew.context, anew.concurrency) == (131_072, 4)
    changed = choices_over(plan, Choices(context=8192, concurrency=2))
    assert (changed.context, changed.concurrency) == (8192, 2)
