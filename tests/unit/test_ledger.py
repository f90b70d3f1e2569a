import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.deployments.ledger import Ledger, Resource, find_deployment, list_deployments, read_ledger
from core.errors import NotFoundError, SagewizardError
from tests.unit.plans import a_plan

_ACCOUNT = "123456789012"


def _path(folder: Path) -> Path:
    return next(folder.glob("*.jsonl"))


def test_a_run_that_changed_nothing_leaves_nothing(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        ledger.finish("failed", cause="refused")
    assert list(tmp_path.iterdir()) == []


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        ledger.record("role", "r", "creating")
        ledger.record("role", "r", "created")
        ledger.record("model", "m", "creating")
        ledger.finish("failed", cause="no", fix="try")
        written = ledger.deployment
    assert list_deployments(tmp_path) == (written,)
    assert written.resources == (Resource("role", "r", "created"), Resource("model", "m", "creating"))
    assert (written.status, written.cause, written.fix) == ("failed", "no", "try")
    assert written.plan == a_plan()


def test_a_run_in_progress_is_running_and_cannot_be_taken_over(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        ledger.record("role", "r", "creating")
        assert list_deployments(tmp_path)[0].status == "running"
        with pytest.raises(SagewizardError, match="Another process"):
            Ledger.reopen(tmp_path, ledger.deployment.id)
    assert list_deployments(tmp_path)[0].status == "interrupted"


def test_those_who_read_at_the_same_time_do_not_take_each_other_for_the_run(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        ledger.record("role", "r", "created")
        ledger.finish("ready")
    with _path(tmp_path).with_suffix(".lock").open("rb") as another:
        fcntl.flock(another, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert read_ledger(_path(tmp_path)).status == "ready"


def test_a_killed_run_is_interrupted_and_its_record_true(tmp_path: Path) -> None:
    program = (
        "import os, sys, signal; from pathlib import Path\n"
        "from core.deployments.ledger import Ledger; from tests.unit.plans import a_plan\n"
        f"ledger = Ledger.start(Path(sys.argv[1]), a_plan(), {_ACCOUNT!r})\n"
        "ledger.record('model', 'm', 'creating')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    (found,) = list_deployments(tmp_path)
    assert found.status == "interrupted"
    assert found.existing == (Resource("model", "m", "creating"),)


def test_a_torn_last_line_is_ignored_and_written_over(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        ledger.record("model", "m", "created")
        identifier = ledger.deployment.id
    with _path(tmp_path).open("ab") as file:
        file.write(b'{"record": "resource", "kind": "endp')
    assert read_ledger(_path(tmp_path)).resources == (Resource("model", "m", "created"),)
    with Ledger.reopen(tmp_path, identifier) as ledger:
        ledger.record("model", "m", "deleted")
    assert read_ledger(_path(tmp_path)).status == "deleted"


def test_every_record_is_a_line_of_json(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        ledger.record("model", "m\n{}", "created")
    lines = [json.loads(line) for line in _path(tmp_path).read_text().splitlines()]
    assert [line["record"] for line in lines] == ["deployment", "resource"]


def test_only_what_may_exist_is_found_by_endpoint(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan("one"), _ACCOUNT) as ledger:
        ledger.record("model", "one", "created")
        identifier = ledger.deployment.id
    found = find_deployment(tmp_path, "one", region="us-east-1", account_id=_ACCOUNT)
    assert found is not None
    assert found.id == identifier
    assert find_deployment(tmp_path, "one", region="eu-west-1", account_id=_ACCOUNT) is None
    assert find_deployment(tmp_path, "one", region="us-east-1", account_id="210987654321") is None
    with Ledger.reopen(tmp_path, identifier) as ledger:
        ledger.record("model", "one", "deleted")
    assert find_deployment(tmp_path, "one", region="us-east-1", account_id=_ACCOUNT) is None


def test_files_that_are_no_ledgers_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("not json\n")
    (tmp_path / "y.jsonl").write_text('{"record": "deployment"}\n')
    assert list_deployments(tmp_path) == ()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "none"])
def test_only_ledgers_of_the_folder_are_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError):
        Ledger.reopen(tmp_path, name)


def test_a_ledger_is_the_owners_alone(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        ledger.record("model", "m", "created")
    assert _path(tmp_path).stat().st_mode & 0o077 == 0


def test_a_ledger_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with Ledger.start(tmp_path, a_plan(), _ACCOUNT) as ledger:
        (tmp_path / f"{ledger.deployment.id}.jsonl").mkdir()
        with pytest.raises(SagewizardError, match="cannot be written"):
            ledger.record("model", "m", "creating")
        assert ledger.deployment.resources == ()
