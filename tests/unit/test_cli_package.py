"""What `package` says where the place that it is to write to does not let it."""

import errno
from pathlib import Path

import pytest

from tui import cli


def test_a_folder_that_cannot_be_replaced_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tui.commands.package.TemporaryDirectory", refuse)
    monkeypatch.setattr("tui.commands.package.study", lambda *_, **__: None)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").write_text("")
    assert cli.run(["package", "sample", "-o", str(tmp_path), "--force"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [f"sagewizard: {tmp_path} cannot be replaced: Read-only file system.", "  Name another path."]
