"""Ctrl+C and SIGTERM in the middle of a deployment."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import inventory, run, start
from tests.e2e.small_model import held_back, write_model, write_template


def _deploying(folder: Path, name: str) -> "subprocess.Popen[str]":
    """A deployment whose endpoint is being created until `folder / "gate"` is there."""
    template = write_template(folder / "template", held_back(folder / "gate"))
    program = start(
        *("--sandbox", "deploy", str(write_model(folder / "model")), "--name", name),
        *("--template", str(template), "--yes", "--json"),
    )
    assert program.stdout
    for line in program.stdout:
        event = json.loads(line)
        if event["stage"] == "endpoint" and event["kind"] != "started":
            return program
    raise AssertionError(program.communicate()[1])  # it has ended: its stdout has


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_undoes_what_was_begun(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    name = f"cli-stopped-{number.name.lower()}"
    program = _deploying(tmp_path, name)
    program.send_signal(number)
    (tmp_path / "gate").touch()
    out, err = program.communicate(timeout=120)
    assert program.returncode == 130, err
    assert "Stopping as asked" in err
    events = [json.loads(line) for line in out.splitlines()]
    assert {"rollback"} <= {event["stage"] for event in events}
    assert events[-1]["kind"] == "failed"
    assert inventory(sandbox, name) == []
    made = run("--sandbox", "deployments", "--json").document["deployments"]
    assert [each["status"] for each in made if each["endpoint"] == name] == ["cancelled"]


def test_twice_stops_at_once_and_what_is_left_is_known(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path
) -> None:
    name = "cli-stopped-twice"
    program = _deploying(tmp_path, name)
    program.send_signal(signal.SIGINT)
    assert program.stderr
    told = ""
    while "Stopping as asked" not in told:
        piece = os.read(program.stderr.fileno(), 4096).decode()
        assert piece, told
        told += piece
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "Stopped at once." in err
    assert f"endpoint {name}" in err
    assert f"sagewizard --sandbox endpoints delete {name}" in err
    assert json.loads(out.splitlines()[-1])["kind"] == "failed"
    made = run("--sandbox", "deployments", "--json").document["deployments"]
    (mine,) = (each for each in made if each["endpoint"] == name)
    assert mine["status"] == "interrupted"
    (tmp_path / "gate").touch()
    assert [each for each in mine["resources"] if each["state"] in {"creating", "created", "deleting"}]
    assert run("--sandbox", "endpoints", "delete", name, "--yes").code == 0
    assert inventory(sandbox, name) == []
