"""What is kept of the sandbox's account when it is damaged, lost in part, or of another version."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from core.sandbox import daemon
from core.sandbox.keeping.records import FORMAT, Records, UnusableError
from tests.contract.sandbox_account import Aws


def _start() -> Aws:
    return Aws(daemon.start())


def _overwrite(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)


def _break_a_record(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE record SET value = '{' WHERE kind = 'bucket'")


def _of_a_later_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {FORMAT + 1}")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_overwrite, "cannot be read (file is not a database)"),
        (_break_a_record, "is not JSON"),
        (_of_a_later_version, f"was written by another version of sagewizard (format {FORMAT + 1}, not {FORMAT})"),
    ],
)
def test_what_cannot_be_used_is_set_aside_and_said(
    own: Path, kept: Path, harm: Callable[[Path], None], said: str
) -> None:
    aws = _start()
    aws.s3.put_object(Bucket=aws.bucket(), Key="k", Body=b"precious")
    (aws.running.ledgers / "one.jsonl").write_text("{}")
    daemon.stop()
    harm(kept / "records.sqlite")
    running = daemon.start()
    aside = kept.with_name("account-set-aside")
    assert said in running.notice
    assert str(aside) in running.notice
    assert running.notice.count(". ") == 0
    assert Aws(running).s3.list_buckets()["Buckets"] == []
    assert list(running.ledgers.iterdir()) == []
    assert [path.read_bytes() for path in (aside / "objects").iterdir()] == [b"precious"]
    assert (aside / "deployments/one.jsonl").exists()
    assert daemon.ensure_running().notice == ""
    assert (running.url, running.access_key_id) == (aws.running.url, aws.running.access_key_id)


def test_objects_whose_bytes_are_lost_are_gone_and_waste_is_cleared_away(own: Path, kept: Path) -> None:
    aws = _start()
    bucket = aws.bucket()
    for key in ("whole", "cut"):
        aws.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    daemon.stop()
    for path in (kept / "objects").iterdir():
        if path.read_bytes() == b"cut":
            path.write_bytes(b"c")
    (kept / "objects/waste").write_bytes(b"of an upload that was killed")
    after = _start()
    assert [found["Key"] for found in after.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["whole"]
    assert [path.read_bytes() for path in (kept / "objects").iterdir()] == [b"whole"]


def test_records_change_all_or_not_at_all(tmp_path: Path) -> None:
    records = Records(tmp_path / "file")
    records.change("a", {"x": [1], "y": 2})
    records.replace({"a": {"y": 3, "z": None}, "b": {"x": "other"}})
    with pytest.raises(TypeError):
        records.change("a", {"y": 4, "w": object()})
    for found in (records, None):
        if found is None:
            records.close()
            found = Records(tmp_path / "file")
        assert found.all("a") == {"y": 3}
        assert found.all("b") == {"x": "other"}
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


def test_records_of_no_version_are_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "file")) as file:
        file.execute("CREATE TABLE other (x)")
    with pytest.raises(UnusableError, match="another version"):
        Records(tmp_path / "file")
