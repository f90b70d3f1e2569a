"""The program's folders, and the files the sandbox keeps in its own."""

from pathlib import Path

import pytest

from core.errors import SagewizardError
from core.folders import cache_folder, data_folder
from core.sandbox import state_files


def test_folders_are_their_owners_only(isolated_home: Path) -> None:
    for folder in (data_folder(), cache_folder(), state_files.folder(), state_files.work_folder()):
        assert folder.is_relative_to(isolated_home)
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_is_told_with_the_variable_to_set(isolated_home: Path) -> None:
    isolated_home.write_text("a file")
    with pytest.raises(SagewizardError, match="cannot be made") as told:
        data_folder()
    assert "SAGEWIZARD_HOME" in told.value.fix


def test_a_lock_that_cannot_be_written_is_told(isolated_home: Path) -> None:
    (state_files.folder() / "lock").mkdir()
    with pytest.raises(SagewizardError, match="cannot write"), state_files.exclusive():
        pass


def test_keys_stay(isolated_home: Path) -> None:
    first = state_files.keys()
    state_files.write_keys(state_files.Keys(first.access_key_id, first.secret_access_key, 4000))
    assert state_files.keys() == state_files.Keys(first.access_key_id, first.secret_access_key, 4000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"access_key_id": "AKIA", "secret_access_key": "x"}',
        '{"access_key_id": 1, "secret_access_key": "x", "port": 4000}',
        '{"access_key_id": "AKIA", "secret_access_key": "x", "port": "4000"}',
        '{"access_key_id": "AKIA", "secret_access_key": "x", "port": 70000}',
        '{"access_key_id": "AKIA", "secret_access_key": "x", "port": -1}',
    ],
)
def test_keys_that_are_none_are_made_anew(isolated_home: Path, text: str) -> None:
    (state_files.folder() / "keys.json").write_text(text)
    made = state_files.keys()
    assert len(made.access_key_id) == 20
    assert made.port == 0
    assert state_files.keys() == made
