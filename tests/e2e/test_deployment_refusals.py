"""Plans that are refused before anything is made, and what is of somebody else, which no run touches."""

import json
from dataclasses import replace

import pytest

from core.aws.policies import trust_policy
from core.cancellation import CancelToken
from core.deployments.events import Event
from core.deployments.runner import deploy
from core.errors import RefusedError
from core.sandbox.quotas import quota_code
from tests.e2e.small_model import ECHO
from tests.e2e.stand import Stand

_QUOTAS = "https://us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"


def test_a_name_that_is_taken_is_refused_before_anything_is_made(stand: Stand) -> None:
    first = stand.plan("taken")
    identifier = stand.deploy(first)
    with pytest.raises(RefusedError, match="already an endpoint"):
        stand.deploy(first)
    stand.remove(identifier)


def test_a_bucket_in_another_region_is_refused_before_a_byte_moves(stand: Stand) -> None:
    s3 = stand.account.clients.get("s3")
    s3.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    plan = stand.plan("misplaced")
    with pytest.raises(RefusedError, match="is in eu-west-1"):
        stand.deploy(replace(plan, artifact=replace(plan.artifact, bucket="far-away")))
    assert {event.stage for event in stand.events} == {"inspect"}
    assert "KeyCount" in (found := s3.list_objects_v2(Bucket="far-away"))
    assert found["KeyCount"] == 0
    s3.delete_bucket(Bucket="far-away")


def test_a_model_of_somebody_else_with_the_same_name_is_never_touched(stand: Stand) -> None:
    """Made between the check and the run's own request, the most awkward moment."""
    plan = stand.plan("foreign")
    sagemaker = stand.account.clients.get("sagemaker")

    def emit(event: Event) -> None:
        stand.events.append(event)
        if event.stage == "role" and event.kind == "finished":
            sagemaker.create_model(
                ModelName="foreign",
                PrimaryContainer={"Image": plan.container.image},
                ExecutionRoleArn=event.message.removeprefix("Created "),
            )

    with pytest.raises(RefusedError, match="already a model"):
        deploy(plan, stand.account, stand.hub, emit=emit, cancel=CancelToken())
    assert stand.left_of("foreign") == ["model foreign"]
    sagemaker.delete_model(ModelName="foreign")


def test_a_role_of_somebody_else_with_the_same_name_is_never_touched(stand: Stand) -> None:
    plan, iam = stand.plan("foreign-role"), stand.account.clients.get("iam")
    role = plan.role.create

    def emit(event: Event) -> None:
        if event.stage == "upload" and event.kind == "finished":
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust_policy()))

    with pytest.raises(RefusedError, match="already") as refused:
        deploy(plan, stand.account, stand.hub, emit=emit, cancel=CancelToken())
    assert "Still there" not in refused.value.fix
    assert stand.left_of("foreign-role") == [f"role {role}"]
    assert stand.recorded("foreign-role") is None
    with pytest.raises(RefusedError, match="already"):  # and found at once the next time
        stand.deploy(plan)
    assert stand.stages("started") == ["inspect"]
    iam.delete_role(RoleName=role)


def test_a_file_that_changed_since_the_plan_is_refused(stand: Stand) -> None:
    plan = stand.plan("changed")
    with (stand.folder / "model" / "tokenizer.json").open("a") as file:
        file.write(" ")
    with pytest.raises(RefusedError, match=r"tokenizer\.json"):
        stand.deploy(plan)
    assert stand.left_of("changed") == []


def test_a_template_that_changed_since_the_plan_is_refused(stand: Stand) -> None:
    plan = stand.plan("edited")
    (stand.folder / "template-edited" / "inference.py").write_text(ECHO + "\n")
    with pytest.raises(RefusedError, match="has changed"):
        stand.deploy(plan)


def test_a_role_that_sagemaker_may_not_assume_is_refused_before_anything_is_made(stand: Stand) -> None:
    stand.account.clients.get("iam").create_role(
        RoleName="for-lambda",
        AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
        '"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}',
    )
    plan = stand.plan("unassumable", role="for-lambda")
    with pytest.raises(RefusedError, match="trust policy"):
        stand.deploy(plan)
    assert stand.left_of("unassumable") == []
    stand.account.clients.get("iam").delete_role(RoleName="for-lambda")


def test_a_type_without_quota_is_refused(stand: Stand) -> None:
    with pytest.raises(RefusedError, match="may run 0 of") as refused:
        stand.plan("no-quota", instance_type="ml.p4d.24xlarge")
    assert f"{_QUOTAS}/{quota_code('ml.p4d.24xlarge')}" in refused.value.fix
    assert "“ml.p4d.24xlarge for endpoint usage”" in refused.value.fix
    assert "`sagewizard --sandbox sandbox quota ml.p4d.24xlarge 1`" in refused.value.fix
    assert "--without-quota" in refused.value.fix


def test_a_type_without_quota_can_be_planned_for_knowingly_but_not_run(stand: Stand) -> None:
    plan = stand.plan("planned-without-quota", instance_type="ml.p4d.24xlarge", without_quota=True)
    assert plan.endpoint.instance_type == "ml.p4d.24xlarge"
    reason = plan.reasons["endpoint.quota"]
    assert "may run 0 of it and 0 are in use" in reason
    assert f"{_QUOTAS}/{quota_code('ml.p4d.24xlarge')}" in reason
    with pytest.raises(RefusedError, match="may run 0 of") as refused:
        stand.deploy(plan)
    assert f"{_QUOTAS}/{quota_code('ml.p4d.24xlarge')}" in refused.value.fix
    assert stand.stages("started") == ["inspect"]
    assert stand.left_of("planned-without-quota") == []


def test_with_quota_a_plan_says_nothing_of_it(stand: Stand) -> None:
    assert "endpoint.quota" not in stand.plan("with-quota", without_quota=True).reasons


def test_the_wrong_region_is_refused(stand: Stand) -> None:
    plan = replace(stand.plan("elsewhere"), region="eu-west-1")
    with pytest.raises(RefusedError, match="eu-west-1"):
        stand.deploy(plan)
