"""Plan files that a person edited: the edit is what is deployed, or it is refused before anything is made."""

import re
from pathlib import Path

import pytest
import yaml

from core.account import open_account
from core.cancellation import CancelToken
from core.deployments.plan_file import read_plan
from core.deployments.runner import deploy
from core.errors import RefusedError
from core.models.hub import HubClient
from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import inventory, run
from tests.e2e.small_model import write_model, write_template


def _planned(folder: Path, name: str) -> Path:
    model, template = write_model(folder / "model"), write_template(folder / "template")
    path = folder / "plan.yaml"
    made = run(
        "--sandbox",
        *("plan", str(model), "--template", str(template), "--instance-type", "ml.m5.large"),
        *("--name", name, "-o", str(path)),
    )
    assert made.code == 0, made.err
    return path


def _edit(path: Path, *keys: str, value: object) -> None:
    document = yaml.safe_load(path.read_text())
    part = document
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(yaml.safe_dump(document))


def _price(told: str) -> str:
    found = re.search(r"\$[\d.]+/h", told.rpartition(" in us-east-1, ")[2])
    assert found, told
    return found[0]


@pytest.mark.parametrize(
    ("keys", "value", "told"),
    [
        (("endpoint", "instance_type"), "ml.g5.xlarge", "has GPUs"),
        (("region",), "eu-west-1", "registry of us-east-1"),
    ],
)
def test_an_edit_that_the_image_does_not_follow_is_refused(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path, keys: tuple[str, ...], value: str, told: str
) -> None:
    path = _planned(tmp_path, "edited-apart")
    _edit(path, *keys, value=value)
    refused = run("--sandbox", "deploy", str(path), "--yes")
    assert refused.code == 3, refused.err
    assert told in refused.err
    assert "decides the image anew" in refused.err
    assert inventory(sandbox, "edited-apart") == []


def test_a_volume_that_the_edited_type_does_not_take_is_refused(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path
) -> None:
    path = _planned(tmp_path, "edited-volume")
    own = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/serving:v3"
    for keys, value in (("instance_type", "ml.m5d.large"), ("volume_gb", 100)):
        _edit(path, "endpoint", keys, value=value)
    _edit(path, "container", "image", value=own)
    refused = run("--sandbox", "deploy", str(path), "--yes")
    assert refused.code == 3, refused.err
    assert "volume of 100 GB, but ml.m5d.large has a disk of its own" in refused.err
    assert inventory(sandbox, "edited-volume") == []


def test_whatever_runs_a_plan_refuses_what_the_image_does_not_follow(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path
) -> None:
    path = _planned(tmp_path, "edited-run")
    _edit(path, "endpoint", "instance_type", value="ml.g5.xlarge")
    account = open_account(sandbox=True)
    with pytest.raises(RefusedError, match="has GPUs"):
        deploy(read_plan(path), account, HubClient(), emit=lambda event: None, cancel=CancelToken())
    assert inventory(sandbox, "edited-run") == []


def test_asked_for_by_an_option_the_edited_type_is_decided_anew(sandbox_home: Path, tmp_path: Path) -> None:
    path = _planned(tmp_path, "edited-anew")
    _edit(path, "endpoint", "instance_type", value="ml.g5.xlarge")
    anew = run("--sandbox", "deploy", str(path), "--instance-type", "ml.g5.xlarge")
    assert anew.code == 2, "nobody said yes"
    assert "decided anew" in anew.err
    fresh = run("--sandbox", "plan", str(tmp_path / "model"), "--instance-type", "ml.g5.xlarge", "--name", "x-y")
    assert _price(anew.err) == _price(fresh.err)


def test_the_price_that_is_shown_is_that_of_the_edited_type(sandbox_home: Path, tmp_path: Path) -> None:
    path = _planned(tmp_path, "edited-price")
    before = _price(run("--sandbox", "deploy", str(path)).err)
    _edit(path, "endpoint", "instance_type", value="ml.m5.4xlarge")
    after = run("--sandbox", "deploy", str(path)).err
    assert _price(after) != before
    assert f"The price of ml.m5.4xlarge is {_price(after)}; the plan says {before}." in after


@pytest.mark.parametrize("options", [(), ("--instance-type", "ml.m5.xlarge"), ("--name", "edited-role-b")])
def test_the_role_is_called_what_the_plan_says(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = _planned(tmp_path, "edited-role")
    _edit(path, "role", "create", value="my-team-role")
    name = "edited-role-b" if "--name" in options else "edited-role"
    done = run("--sandbox", "deploy", str(path), "--yes", *options)
    try:
        assert done.code == 0, done.err
        assert inventory(sandbox, "my-team-role") == ["role my-team-role"]
        assert not [each for each in inventory(sandbox, "sagewizard-edited-role") if each.startswith("role")]
    finally:
        run("--sandbox", "endpoints", "delete", name, "--yes")
    assert inventory(sandbox, "my-team-role") == []


def test_a_value_that_no_run_can_use_is_wrong_usage(sandbox_home: Path, tmp_path: Path) -> None:
    path = _planned(tmp_path, "edited-value")
    _edit(path, "endpoint", "price_usd_per_hour", value=float("nan"))
    refused = run("--sandbox", "deploy", str(path), "--yes")
    assert refused.code == 2
    assert "endpoint.price_usd_per_hour" in refused.err


def test_a_plan_speaks_no_dialect_that_no_plan_may_have(sandbox_home: Path, tmp_path: Path) -> None:
    write_template(tmp_path / "template")
    (tmp_path / "template" / "template.toml").write_text('dialects = ["klingon"]\n')
    words = ("plan", str(write_model(tmp_path / "model")), "--template", str(tmp_path / "template"), "--json")
    assert run("--sandbox", *words).document["container"]["dialect"] == "inputs"
