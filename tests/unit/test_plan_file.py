from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.deployments.names import artifact_prefix_for, endpoint_name_from, role_name_for
from core.deployments.plan_file import check_plan, looks_like_plan, plan_to_json, plan_to_yaml, read_plan
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


def _edited(tmp_path: Path, *keys: str, value: object) -> Path:
    document = yaml.safe_load(plan_to_yaml(a_plan()))
    part = document
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
    ],
)
def test_a_wrong_plan_is_refused_with_what_is_wrong(
    tmp_path: Path, keys: tuple[str, ...], value: object, named: str
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


def test_prices_of_all_instances_add_up() -> None:
    plan = a_plan()
    assert replace(plan, endpoint=replace(plan.endpoint, instance_count=3)).price_usd_per_hour == pytest.approx(0.345)
