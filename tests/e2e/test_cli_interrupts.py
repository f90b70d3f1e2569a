"""Ctrl+C and SIGTERM in the middle of a deployment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import Background, inventory, run
from tests.e2e.small_model import held_back, write_model, write_template


@contextmanager
def _deploying(folder: Path, name: str) -> Iterator[Background]:
    """A deployment whose endpoint is being created until `folder / "gate"` is there."""
    template = write_template(folder / "template", held_back(folder / "gate"))
    arguments = ("--name", name, "--template", str(template), "--yes", "--json")
    with Background(folder, "--sandbox", "deploy", str(write_model(folder / "model")), *arguments) as program:
        program.wait_for(_is_at_the_endpoint)
        yield program


def _is_at_the_endpoint(program: Background) -> bool:
    return any(event["stage"] == "endpoint" and event["kind"] != "started" for event in program.events)


def _stopping(program: Background) -> bool:
    return "Stopping as asked" in program.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_undoes_what_was_begun(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    name = f"cli-stopped-{number.name.lower()}"
    with _deploying(tmp_path, name) as program:
        program.process.send_signal(number)
        program.wait_for(_stopping)  # before that, the endpoint must not come into service
        (tmp_path / "gate").touch()
        ended = program.end()
    assert ended.code == 130, ended.err
    assert "rollback" in {event["stage"] for event in ended.lines}
    assert ended.lines[-1]["kind"] == "failed"
    assert inventory(sandbox, name) == []
    made = run("--sandbox", "deployments", "--json").document["deployments"]
    assert [each["status"] for each in made if each["endpoint"] == name] == ["cancelled"]


def test_twice_stops_at_once_and_what_is_left_is_known(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path
) -> None:
    name = "cli-stopped-twice"
    with _deploying(tmp_path, name) as program:
        program.process.send_signal(signal.SIGINT)
        program.wait_for(_stopping)
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 130
    told = ended.err.partition("Stopped at once.")[2]
    assert f"endpoint {name}" in told
    assert f"sagewizard --sandbox endpoints delete {name}" in told
    assert ended.lines[-1]["kind"] == "failed"
    made = run("--sandbox", "deployments", "--json").document["deployments"]
    (mine,) = (each for each in made if each["endpoint"] == name)
    assert mine["status"] == "interrupted"
    (tmp_path / "gate").touch()
    assert [each for each in mine["resources"] if each["state"] in {"creating", "created", "deleting"}]
    assert run("--sandbox", "endpoints", "delete", name, "--yes").code == 0
    assert inventory(sandbox, name) == []
