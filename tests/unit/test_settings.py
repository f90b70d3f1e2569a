"""The config file, and which value of a setting counts."""

from pathlib import Path

import pytest

from core.errors import UsageError
from core.settings import is_true, load_config, resolve


def _config(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_an_absent_file_sets_nothing(tmp_path: Path) -> None:
    assert load_config(tmp_path / "config.toml") == {}


def test_values_of_every_kind_are_read(tmp_path: Path) -> None:
    path = _config(tmp_path, 'sandbox = true\nregion = "eu-west-1"\ncontext = 2048\n')
    assert load_config(path) == {"sandbox": True, "region": "eu-west-1", "context": 2048}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("region = 5", "region"),
        ('sandbox = "yes"', "sandbox"),
        ("sandbox = 1", "sandbox"),
        ("context = 1.5", "context"),
        ("context = true", "context"),
        ('instance_type = ["ml.m5.large"]', "instance_type"),
        ("role = true", "role"),
        ("colour = 1", "colour"),
        ("region", "config.toml"),
    ],
)
def test_what_no_setting_can_be_is_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        load_config(_config(tmp_path, text))


def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path / "config.toml")


def test_option_then_environment_then_plan_then_config_then_default() -> None:
    environment, config = {"SAGEWIZARD_BUCKET": "environment"}, {"bucket": "config"}
    found = []
    for option, variables, plan, file in (
        ("option", environment, "plan", config),
        (None, environment, "plan", config),
        (None, {"SAGEWIZARD_BUCKET": ""}, "plan", config),
        (None, {}, None, config),
        (None, {}, None, {}),
    ):
        setting = resolve("bucket", option=option, plan=plan, default="default", config=file, environment=variables)
        found.append((setting.value, setting.source))
    assert found == [
        ("option", "option"),
        ("environment", "SAGEWIZARD_BUCKET"),
        ("plan", "plan"),
        ("config", "config file"),
        ("default", "default"),
    ]


@pytest.mark.parametrize(("value", "yes"), [(True, True), ("1", True), ("Yes", True), (False, False), ("off", False)])
def test_yes_and_no(value: object, yes: bool) -> None:
    assert is_true("sandbox", value) is yes


@pytest.mark.parametrize("value", ["maybe", "ture", "2"])
def test_what_is_neither_is_not_taken_for_no(value: str) -> None:
    with pytest.raises(UsageError, match=f"sandbox.*{value}"):
        is_true("sandbox", value)
