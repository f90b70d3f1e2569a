"""Whether the image of a plan runs where the plan, edited by hand perhaps, puts it."""

from dataclasses import replace

import pytest

from core.deployments.placement import misplacement, refuse_misplacement
from core.deployments.plan import Plan
from core.errors import RefusedError
from core.instances.catalog import find_instance_type
from core.serving.images import huggingface_image
from tests.unit.plans import a_plan

_OURS = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:"
_CPU = f"{_OURS}2.6.0-transformers4.51.3-cpu-py312-ubuntu22.04"
_GPU = f"{_OURS}2.6.0-transformers4.51.3-gpu-py312-cu124-ubuntu22.04"
_OWN = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/serving"
_HOST = "al2-ami-sagemaker-inference-gpu-3-1"


def placed(image: str, instance_type: str, *, region: str = "us-east-1", host: str | None = None) -> Plan:
    plan = a_plan(region=region)
    return replace(
        plan,
        container=replace(plan.container, image=image, inference_ami_version=host),
        endpoint=replace(plan.endpoint, instance_type=instance_type),
    )


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (placed(_CPU, "ml.g5.xlarge"), "built for CPUs, but ml.g5.xlarge has GPUs"),
        (placed(_GPU, "ml.m5.large"), "built for GPUs, but ml.m5.large has neither"),
        (placed(_CPU, "ml.inf2.xlarge"), "built for CPUs, but ml.inf2.xlarge has Neuron devices"),
        (placed(a_plan().container.image, "ml.g5.xlarge"), "built for CPUs"),
        (placed(f"{_OURS}2.6.0-neuronx-py310", "ml.m5.large"), "built for Neuron devices"),
        (placed(_CPU, "ml.c7g.large"), "x86_64 processors, but ml.c7g.large has arm64"),
        (
            placed(_CPU, "ml.m5.large", region="eu-west-1"),
            "for eu-west-1, but its image is in the registry of us-east-1",
        ),
        (placed(_CPU.replace("us-east-1", "eu-west-1"), "ml.m5.large"), "in the registry of eu-west-1"),
        (placed(f"{_OWN}:v3", "ml.m5.large", region="eu-west-1"), "registry of us-east-1"),
        (placed(f"{_OWN}:v3", "ml.m5.large", host=_HOST), f"host image {_HOST} is for GPUs"),
    ],
)
def test_a_known_mismatch_is_refused_with_a_way_out(plan: Plan, told: str) -> None:
    with pytest.raises(RefusedError) as refused:
        refuse_misplacement(plan)
    assert told in refused.value.message
    assert f"--instance-type {plan.endpoint.instance_type}" in refused.value.fix


@pytest.mark.parametrize(
    "plan",
    [
        placed(f"{_OWN}:v3", "ml.g5.xlarge"),
        placed(f"{_OWN}:v3", "ml.c7g.large"),
        placed(f"{_OWN}:v3-gpu", "ml.m5.large"),  # many of those run on a CPU too
        placed(f"{_OWN}:cpu-and-gpu", "ml.g5.xlarge"),
        placed(f"{_OWN}:gpustack1", "ml.m5.large"),
        placed(f"{_OWN}-cpu:v3", "ml.g5.xlarge"),
        placed(f"{_OWN}@sha256:{'a' * 64}", "ml.g5.xlarge"),
        placed(f"{_OWN}:latest", "ml.g5.xlarge", host=_HOST),
    ],
)
def test_what_nothing_is_known_against_is_not_refused(plan: Plan) -> None:
    assert misplacement(plan) is None


def with_volume(plan: Plan, volume_gb: int) -> Plan:
    return replace(plan, endpoint=replace(plan.endpoint, volume_gb=volume_gb))


def test_a_volume_beside_a_disk_of_its_own_is_refused_with_a_way_out() -> None:
    plan = with_volume(placed(_GPU, "ml.g5.xlarge"), 100)
    with pytest.raises(RefusedError) as refused:
        refuse_misplacement(plan)
    assert "volume of 100 GB, but ml.g5.xlarge has a disk of its own (250 GB)" in refused.value.message
    assert "endpoint.volume_gb" in refused.value.fix
    assert "--instance-type ml.g5.xlarge" in refused.value.fix
    assert misplacement(plan) == refused.value.message


@pytest.mark.parametrize("name", ["ml.m5.large", "ml.p3.2xlarge"])
def test_a_volume_where_there_is_no_other_disk_or_nobody_knows_is_not_refused(name: str) -> None:
    assert misplacement(with_volume(placed(f"{_OWN}:v3", name), 100)) is None


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"])
@pytest.mark.parametrize("name", ["ml.m5.large", "ml.t2.medium", "ml.g4dn.xlarge", "ml.p4d.24xlarge", "ml.p5.48xlarge"])
def test_what_the_planner_chooses_is_never_refused(name: str, region: str) -> None:
    image = huggingface_image(find_instance_type(name), region)
    assert misplacement(placed(image.uri, name, region=region, host=image.inference_ami_version)) is None
