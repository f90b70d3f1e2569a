"""What of this machine's AWS configuration keeps clients from being made, in the program's own words."""

from pathlib import Path

import pytest

from core.account import open_account
from core.aws.clients import Clients
from core.errors import NotFoundError, SagewizardError

BROKEN = "[default\nregion = us-east-1\n"
HALF = "[default]\naws_access_key_id = not-a-key\n"


@pytest.mark.parametrize(("variable", "content"), [("AWS_CONFIG_FILE", BROKEN), ("AWS_SHARED_CREDENTIALS_FILE", HALF)])
def test_a_configuration_that_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "file").write_text(content)
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with pytest.raises(SagewizardError, match=r"^Could not read the AWS configuration of this machine"):
        Clients(region="us-east-1").get("sagemaker")


def test_a_configuration_without_which_no_region_is_known_is_said_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").write_text(BROKEN)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "file"))
    with pytest.raises(SagewizardError, match=r"^Could not read the AWS configuration of this machine") as caught:
        open_account(sandbox=False)
    assert caught.value.fix


def test_a_profile_that_does_not_exist_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    with pytest.raises(NotFoundError, match="no AWS profile named “nobody”"):
        open_account(sandbox=False, profile="nobody")
    with pytest.raises(NotFoundError, match="no AWS profile named “nobody”"):
        Clients(region="us-east-1", profile="nobody").get("sagemaker")
