"""What the command line asks in a terminal, and the chat there."""

from pathlib import Path

from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import Terminal, inventory, run
from tests.e2e.small_model import write_model, write_template

_ENTER = "\r"


def test_in_a_terminal_it_asks_for_what_is_missing(sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path) -> None:
    name = "cli-asked"
    model, template = write_model(tmp_path / "model"), write_template(tmp_path / "template")
    with Terminal("--sandbox", "deploy", str(model), "--name", name, "--template", str(template)) as terminal:
        terminal.wait_for("recommended", after="Which instance type?")
        terminal.press(_ENTER)
        terminal.wait_for("Create one for this endpoint", after="Which execution role?")
        terminal.press(_ENTER)
        terminal.wait_for("Create the endpoint?")
        terminal.press("y")
        assert terminal.end() == 0
        assert f"{name} is in service" in terminal.text
        assert f"sagewizard --sandbox endpoints delete {name}" in terminal.text

    with Terminal("--sandbox", "endpoints", "delete", name) as terminal:
        terminal.wait_for("Type cli-asked to delete it")
        terminal.press("something else" + _ENTER)
        assert terminal.end() == 130
    assert f"endpoint {name}" in inventory(sandbox, name)

    with Terminal("--sandbox", "endpoints", "delete", name) as terminal:
        terminal.wait_for("Type cli-asked to delete it")
        terminal.press(name + _ENTER)
        assert terminal.end() == 0
        assert f"{name} is deleted." in terminal.text
    assert inventory(sandbox, name) == []


def test_what_was_given_is_not_asked_and_no_means_no(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path
) -> None:
    name = "cli-declined"
    arguments = ("--name", name, "--instance-type", "ml.m5.large", "--role", "create")
    with Terminal("--sandbox", "deploy", str(write_model(tmp_path / "model")), *arguments) as terminal:
        terminal.wait_for("Create the endpoint?")
        assert "Which" not in terminal.text
        terminal.press("n")
        assert terminal.end() == 130
        assert "Nothing was deployed." in terminal.text
    assert inventory(sandbox, name) == []


def test_a_conversation_in_a_terminal(sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path) -> None:
    name = "cli-talking"
    model, template = write_model(tmp_path / "model"), write_template(tmp_path / "template")
    deployed = run("--sandbox", "deploy", str(model), "--name", name, "--template", str(template), "--yes")
    assert deployed.code == 0, deployed.err
    with Terminal("--sandbox", "chat", name) as terminal:
        terminal.wait_for(">", after="Ctrl+D ends.")
        terminal.press("good morning" + _ENTER)
        terminal.wait_for(">", after="gpt_neo heard")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert run("--sandbox", "endpoints", "delete", name, "--yes").code == 0
