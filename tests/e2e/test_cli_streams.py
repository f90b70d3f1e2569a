"""Streams that are closed or cannot be written: one sentence, the right exit code, and never a trace."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import Ended, environment, inventory, run
from tests.e2e.small_model import write_model, write_template

_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
_LOST = "sagewizard: The output could not be written: No space left on device."


def _shell(arguments: str, redirection: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run the program with its streams set up as a shell does."""
    command = f"exec {shlex.quote(sys.executable)} -m tui {arguments} {redirection}"
    done = subprocess.run(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(env),
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@_FULL
@pytest.mark.parametrize("buffering", ["", "1"])
@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "deployments",
        "deployments --json",
        "fit sample --json --region us-east-1",
        "sandbox status",
    ],
)
def test_a_result_that_cannot_be_written_is_said(arguments: str, buffering: str) -> None:
    ended = _shell(arguments, ">/dev/full", {"PYTHONUNBUFFERED": buffering})
    assert ended.code == 1
    assert ended.err.splitlines()[-2:] == [_LOST, "  Make room where it goes to, or send it elsewhere."]
    assert "Traceback" not in ended.err
    assert ended.err.count(_LOST) == 1


@_FULL
def test_a_plan_that_cannot_be_written_is_said(sandbox_home: Path) -> None:
    for form in ("", "--json"):
        ended = _shell(f"--sandbox plan sample {form}", ">/dev/full")
        assert (ended.code, _LOST in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err


@_FULL
def test_an_error_keeps_its_own_sentence_and_code_where_its_document_is_lost() -> None:
    ended = _shell("fit 'no such model!' --json", ">/dev/full", {"PYTHONUNBUFFERED": ""})
    assert ended.code == 2
    assert ended.err.startswith("sagewizard: “no such model!” is neither")
    assert "Traceback" not in ended.err


@_FULL
@pytest.mark.parametrize(("arguments", "code"), [("fit 'no such model!'", 2), ("bogus", 2), ("deployments", 0)])
def test_an_error_that_nobody_can_be_told_still_gives_the_exit_code(arguments: str, code: int) -> None:
    for buffering in ("", "1"):
        assert _shell(arguments, "2>/dev/full", {"PYTHONUNBUFFERED": buffering}).code == code


def test_without_a_stdout_it_works_as_with_one_that_nobody_reads() -> None:
    ended = _shell("deployments", "1>&-", {"PYTHONUNBUFFERED": ""})
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    ended = _shell("fit 'no such model!' --json", "1>&-")
    assert ended.code == 2
    assert ended.err.startswith("sagewizard: “no such model!” is neither")


def test_without_any_stream_it_works() -> None:
    assert _shell("deployments", "0<&- 1>&- 2>&-").code == 0
    assert _shell("", "0<&- 1>&- 2>&-").code == 2


def test_a_deployment_needs_no_stderr(sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path) -> None:
    name, model, template = "cli-no-stderr", write_model(tmp_path / "model"), write_template(tmp_path / "template")
    ended = _shell(f"--sandbox deploy {model} --name {name} --template {template} --yes", "2>&-")
    try:
        assert (ended.code, f"{name} is in service" in ended.out) == (0, True)
    finally:
        assert run("--sandbox", "endpoints", "delete", name, "--yes").code == 0
    assert inventory(sandbox, name) == []


@_FULL
def test_a_run_goes_on_when_its_events_cannot_be_written(sandbox_home: Path, tmp_path: Path) -> None:
    name, model, template = "cli-no-events", write_model(tmp_path / "model"), write_template(tmp_path / "template")
    ended = _shell(f"--sandbox deploy {model} --name {name} --template {template} --yes --json", ">/dev/full")
    listed = json.loads(run("--sandbox", "endpoints", "--json").out)["endpoints"]
    run("--sandbox", "endpoints", "delete", name, "--yes")
    assert ended.code == 0
    assert f"{_LOST} The run goes on." in ended.err
    assert {each["name"]: each["status"] for each in listed}[name] == "InService"
