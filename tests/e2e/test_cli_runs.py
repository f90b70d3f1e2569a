"""Runs from the command line that are not the plain one: not waited for, two demos at once, a chat that is stopped."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.demo import QUESTIONS
from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import Background, Ended, Terminal, inventory, run
from tests.e2e.small_model import ECHO, held_back, write_model, write_template


def test_a_deployment_that_is_not_waited_for_ends_with_an_event_that_names_the_endpoint(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path
) -> None:
    name, model = "cli-no-wait", str(write_model(tmp_path / "model"))
    template = str(write_template(tmp_path / "template", held_back(tmp_path / "gate")))
    ended = run(*("--sandbox", "deploy", model, "--name", name, "--template", template, "--yes", "--no-wait", "--json"))
    try:
        assert ended.code == 0, ended.err
        last = ended.lines[-1]
        assert (last["stage"], last["kind"], last["endpoint"]) == ("endpoint", "finished", name)
        assert [event for event in ended.lines[:-1] if "endpoint" in event] == []
        found = run("--sandbox", "deployments", "--json").document["deployments"]
        assert {each["endpoint"]: each["status"] for each in found}[name] == "creating"
        told = next(line for line in run("--sandbox", "deployments").out.splitlines() if name in line)
        assert "creating, not waited for" in told
    finally:
        (tmp_path / "gate").touch()
        run("--sandbox", "endpoints", "delete", name, "--yes")
    assert inventory(sandbox, name) == []


def _answers(ended: Ended) -> list[str]:
    told = [event for event in ended.lines if (event["stage"], event["kind"]) == ("ready", "log")]
    assert len({event["deployment"] for event in ended.lines}) == 1
    return [event["message"] for event in told]


def test_two_demos_at_once_do_not_meet(sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with Background(folders[0], "demo", "--json") as first, Background(folders[1], "demo", "--json") as second:
        ended = [first.end(), second.end()]
    for each in ended:
        assert each.code == 0, each.err
        answers = _answers(each)
        assert [answer.partition("\n")[0] for answer in answers] == list(QUESTIONS)
        assert all(answer.partition("\n")[2].strip() for answer in answers)
        assert (each.lines[-1]["stage"], each.lines[-1]["kind"]) == ("delete", "finished")
    names = {event["endpoint"] for each in ended for event in each.lines if "endpoint" in event}
    assert len(names) == 2
    assert inventory(sandbox, "demo-") == []


@pytest.fixture
def slow(sandbox_home: Path, tmp_path: Path) -> Iterator[str]:
    """The name of an endpoint in service that answers when the test is over."""
    name, gate, heard = "cli-slow", tmp_path / "gate", tmp_path / "heard"
    waits = f"""
def predict_fn(data, model):
    import pathlib, time
    pathlib.Path({str(heard)!r}).touch()
    until = time.monotonic() + 120
    while not pathlib.Path({str(gate)!r}).exists() and time.monotonic() < until:
        time.sleep(0.02)
    return {{"generated_text": "late"}}
"""
    template = str(write_template(tmp_path / "template", ECHO + waits))
    model = str(write_model(tmp_path / "model"))
    made = run("--sandbox", "deploy", model, "--name", name, "--template", template, "--yes")
    assert made.code == 0, made.err
    yield name
    gate.touch()
    run("--sandbox", "endpoints", "delete", name, "--yes")


def test_ctrl_c_ends_a_chat_and_a_log_at_once(slow: str, tmp_path: Path) -> None:
    with Background(tmp_path, "--sandbox", "chat", slow, "-m", "hi") as program:
        program.wait_for(lambda _: (tmp_path / "heard").exists())
        program.process.send_signal(signal.SIGINT)
        program.process.wait(45)  # the answer would come later
        ended = program.end()
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.split() == ["Stopping", "the", "answer.", "sagewizard:", "Stopped", "as", "asked."]

    with Terminal("--sandbox", "chat", slow) as terminal:
        terminal.wait_for("Ctrl+D ends.")
        terminal.wait_for(">")
        terminal.press("\x03")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.text

    with Background(tmp_path, "--sandbox", "endpoints", "logs", slow, "--follow", "--json") as program:
        program.wait_for(lambda it: it.events)
        program.process.send_signal(signal.SIGINT)
        program.process.wait(45)
        ended = program.end()
    assert ended.code == 130
    assert ended.err.split() == ["sagewizard:", "Stopped."]


def test_no_more_bytes_pass_in_a_second_than_are_allowed(sandbox_home: Path) -> None:
    options = ("--name", "slowed-down", "--limit-rate", "2MB", "--no-wait", "--json", "--yes")
    ended = run("--sandbox", "deploy", "sample", *options)
    assert ended.code == 0, ended.err
    rated = [event for event in ended.lines if event.get("rate")]
    both = {"package", "upload"}
    assert {event["stage"] for event in rated} == both, "4.8 MB take more than the second from which a rate is told"
    assert max(event["rate"] for event in rated) < 3_000_000
    assert run("--sandbox", "endpoints", "delete", "slowed-down", "--yes").code == 0
