from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.deployments.names import artifact_prefix_for, endpoint_name_from, role_name_for
from core.deployments.plan import DIALECTS, Plan
from core.deployments.plan_file import check_plan, looks_like_plan, plan_to_json, plan_to_yaml, read_plan
from core.deployments.planner import summarise
from core.endpoints import dialects
from core.errors import NotFoundError, RefusedError, UsageError
from core.external_text import clean_line
from tests.unit.plans import a_plan


@pytest.mark.parametrize(("suffix", "write"), [("json", plan_to_json), ("yaml", plan_to_yaml)])
def test_a_plan_survives_its_file(tmp_path: Path, suffix: str, write: object) -> None:
    path = tmp_path / f"plan.{suffix}"
    assert callable(write)
    path.write_text(write(a_plan()))
    assert looks_like_plan(str(path))
    assert read_plan(path) == a_plan()


@pytest.mark.parametrize("write", [plan_to_json, plan_to_yaml])
@pytest.mark.parametrize("volume", [1, 100, 512])
def test_a_volume_survives_its_file(tmp_path: Path, write: Callable[[Plan], str], volume: int) -> None:
    plan = replace(a_plan(), endpoint=replace(a_plan().endpoint, volume_gb=volume))
    path = tmp_path / "plan.yaml"
    path.write_text(write(plan))
    assert read_plan(path) == plan


def test_a_plan_from_before_there_were_volumes_is_read(tmp_path: Path) -> None:
    document = yaml.safe_load(plan_to_yaml(a_plan()))
    del document["endpoint"]["volume_gb"]
    path = tmp_path / "older.yaml"
    path.write_text(yaml.safe_dump(document))
    assert read_plan(path) == a_plan()


def test_a_plan_tells_of_its_volume() -> None:
    plan = replace(a_plan(), endpoint=replace(a_plan().endpoint, volume_gb=100))
    assert "on ml.m5.large with a volume of 100 GB as “tiny”" in summarise(plan)
    assert "on ml.m5.large as “tiny”" in summarise(a_plan())


def _edited(tmp_path: Path, *keys: str | int, value: object) -> Path:
    document = yaml.safe_load(plan_to_yaml(a_plan()))
    part: Any = document
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path = tmp_path / "edited.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("endpoint", "instance_typ"), "ml.g5.xlarge", "endpoint.instance_typ"),
        (("endpoint", "instance_count"), "two", "instance_count"),
        (("endpoint", "instance_count"), 0, "at least one instance"),
        (("endpoint", "instance_type"), "ml.m5.larg", "ml.m5.large"),
        (("endpoint", "name"), "no_good", "no-good"),
        (("endpoint", "startup_timeout_seconds"), 5, "60 to 3600"),
        (("endpoint", "context"), 0, "endpoint.context is 0"),
        (("endpoint", "concurrency"), 10**10, "endpoint.concurrency is 10000000000"),
        (("endpoint", "volume_gb"), 0, "1 to 512 GB"),
        (("endpoint", "volume_gb"), 513, "1 to 512 GB"),
        (("endpoint", "volume_gb"), -1, "endpoint.volume_gb"),
        (("endpoint", "volume_gb"), 1.5, "endpoint.volume_gb"),
        (("endpoint", "volume_gb"), "30", "endpoint.volume_gb"),
        (("endpoint", "volume_gb"), True, "endpoint.volume_gb"),
        (("version",), 99, "version 99"),
        (("container", "environment"), {"A": "x" * 1025}, "1,024"),
        (("role", "arn"), "arn:aws:iam::123456789012:role/x", "exactly one"),
        (("model", "files"), "all", "model.files"),
        (("artifact", "key_prefix"), "", "artifact.key_prefix"),
        (("artifact", "key_prefix"), "/", "artifact.key_prefix"),
        (("artifact", "key_prefix"), "models", "artifact.key_prefix"),
        (("artifact", "key_prefix"), "*/", "artifact.key_prefix"),
        (("artifact", "key_prefix"), "a/${aws:username}/", "artifact.key_prefix"),
        (("artifact", "key_prefix"), "a/../", "artifact.key_prefix"),
        (("artifact", "key_prefix"), "a" * 600 + "/", "key prefix"),
        (("artifact", "bucket"), "arn:aws:s3:::b", "artifact.bucket"),
        (("role", "create"), "path/name", "role.create"),
        (("endpoint", "variant"), "a_b", "endpoint.variant"),
        (("container", "environment"), {"A-B": "x"}, "container.environment"),
        (("container", "image"), "docker.io/evil/image:1", "docker.io/evil/image:1"),
        (("reasons",), {"x": "\x1b]52;c;aGk=\x07"}, "control characters"),
        (("model", "reference"), "/models/\x1b[2J", "control characters"),
        (("endpoint", "\x9b2Jcount"), 1, "endpoint.count"),
        (("container", "engine"), "vllm\u00e9", "container.engine"),
        (("container", "dialect"), "klingon", "messages, inputs, text"),
        (("container", "inference_ami_version"), "al2-ami-of-mine", "al2-ami-sagemaker-inference-gpu-3-1"),
        (("endpoint", "price_usd_per_hour"), float("nan"), "endpoint.price_usd_per_hour"),
        (("endpoint", "price_usd_per_hour"), float("inf"), "endpoint.price_usd_per_hour"),
        (("endpoint", "price_usd_per_hour"), -0.5, "endpoint.price_usd_per_hour"),
        (("model", "weight_bytes"), -1, "model.weight_bytes"),
        (("model", "parameters"), -1, "model.parameters"),
        pytest.param(("model", "parameters"), 10**400, "model.parameters", id="a number of 401 digits"),
        (("model", "files", 1, "bytes"), -1, "model.files.1.bytes"),
        (("model", "files"), [], "model.files"),
        (("model", "files"), [{"path": "config.json", "bytes": 1}], "no weights"),
        (("model", "files"), [{"path": "model.safetensors", "bytes": 1}], "no config.json"),
        (("model", "weight_format"), "pytorch", "*.bin"),
        (("model", "files", 0, "path"), "../config.json", "leads out of its folder"),
        (("model", "files", 0, "path"), "/etc/config.json", "absolute"),
        (("model", "files", 0, "path"), "model.safetensors", "twice"),
    ],
)
def test_a_wrong_plan_is_refused_with_what_is_wrong(
    tmp_path: Path, keys: tuple[str | int, ...], value: object, named: str
) -> None:
    with pytest.raises((UsageError, RefusedError)) as refused:
        read_plan(_edited(tmp_path, *keys, value=value))
    said = f"{refused.value.message} {refused.value.fix}"
    assert named in said
    assert clean_line(said) == said


@pytest.mark.parametrize("content", [b"- a list", b"\xff\xfe\x00", b"{unclosed: [", b"[" * 10_000, b""])
def test_what_is_no_plan_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read_plan(path)


def test_an_absent_plan_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_plan(tmp_path / "none.yaml")


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(f"!!python/object/apply:pathlib.Path.touch [{tmp_path / 'made'}]\n")
    with pytest.raises(UsageError):
        read_plan(path)
    assert not (tmp_path / "made").exists()


@given(st.text(max_size=120), st.sampled_from(["us-east-1", "ap-southeast-3", "us-gov-west-1", "cn-northwest-1"]))
def test_whatever_a_model_is_called_the_names_made_from_it_are_ones_a_plan_may_have(text: str, region: str) -> None:
    name, plan = endpoint_name_from(text), a_plan()
    check_plan(
        replace(
            plan,
            endpoint=replace(plan.endpoint, name=name),
            artifact=replace(plan.artifact, key_prefix=artifact_prefix_for(name)),
            role=replace(plan.role, create=role_name_for(name, region)),
        )
    )


def test_the_host_image_that_a_gpu_image_asks_for_is_one_a_plan_may_have() -> None:
    plan = a_plan()
    for host in ("al2-ami-sagemaker-inference-gpu-3-1", "al2023-ami-sagemaker-inference-gpu-4-1"):
        check_plan(replace(plan, container=replace(plan.container, inference_ami_version=host)))


def test_a_plan_may_have_every_dialect_that_a_chat_speaks() -> None:
    assert DIALECTS == dialects.DIALECTS


def test_prices_of_all_instances_add_up() -> None:
    plan = a_plan()
    assert replace(plan, endpoint=replace(plan.endpoint, instance_count=3)).price_usd_per_hour == pytest.approx(0.345)
