"""Common options before and after the command, lazy commands, and what the program answers without an account."""

import json
import subprocess
import sys

import click
import pytest

from tui import cli
from tui.command_line import Command, Group
from tui.session import CommonOptions, Session, pass_session

_HEAVY = {
    "boto3",
    "botocore",
    "huggingface_hub",
    "msgspec",
    "platformdirs",
    "prompt_toolkit",
    "questionary",
    "rich",
    "sagemaker",
    "textual",
    "torch",
    "transformers",
    "yaml",
}


@click.group(cls=Group)
def _program() -> None:
    pass


@_program.command("look", cls=Command)
@pass_session
def _look(session: Session) -> None:
    click.echo(repr(session.options))


def _options_of(*arguments: str) -> CommonOptions:
    session = Session()
    _program.main(list(arguments), obj=session, standalone_mode=False)
    return session.options


_ALL = ["--sandbox", "--profile", "p", "--region", "eu-west-1", "--json", "--debug"]


@pytest.mark.parametrize("place", range(len(_ALL) + 1))
def test_common_options_count_before_and_after_the_command(place: int) -> None:
    if place in {2, 4}:  # an option and its value stay together
        place += 1
    expected = CommonOptions(sandbox=True, profile="p", region="eu-west-1", json=True, debug=True)
    assert _options_of(*_ALL[:place], "look", *_ALL[place:]) == expected


def test_of_an_option_given_twice_the_last_one_counts() -> None:
    assert _options_of("--region", "us-east-1", "look", "--region", "us-west-2").region == "us-west-2"
    assert _options_of("--sandbox", "look", "--no-sandbox").sandbox is False


def test_an_option_that_is_not_given_says_nothing() -> None:
    assert _options_of("look") == CommonOptions()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["fit", "--help"], ["deploy", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from tui.cli import run\n"
        f"code = run({arguments!r})\n"
        f"print(sorted({_HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
    assert done.stdout


def test_help_of_the_program_imports_no_command() -> None:
    program = (
        "import sys\n"
        "from tui.cli import run\n"
        "run(['--help'])\n"
        "print([name for name in sys.modules if name.startswith('tui.commands')], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_that_is_listed_exists_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: sagewizard {name}" in shown
    assert "--sandbox" in shown


@pytest.mark.parametrize("arguments", [["nope"], ["fit"], ["--nope"], ["fit", "sample", "--context", "none"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Error:" in told.err


def test_wrong_usage_is_answered_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fit", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == 2
    assert "MODEL" in error["message"]


def test_an_error_of_core_is_a_sentence_and_a_fix(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fit", "no such model!"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    first, second = told.err.strip().splitlines()
    assert first.startswith("sagewizard: “no such model!” is neither")
    assert second.startswith("  Write a Hub model as org/name")


def test_an_error_of_core_under_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--json", "fit", "no such model!"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"message", "fix", "code"}
    assert document["error"]["code"] == 2


def test_a_fault_shows_one_sentence_and_a_trace_only_when_debugging(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_text: str) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("core.models.reference.parse_reference", broken)
    assert cli.run(["fit", "sample"]) == 1
    quiet = capsys.readouterr().err
    assert "ZeroDivisionError: odd" in quiet
    assert "--debug" in quiet
    assert "Traceback" not in quiet
    assert cli.run(["--debug", "fit", "sample"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_full_screen_program_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 2
    assert "needs a terminal" in capsys.readouterr().err


def test_debug_tells_where_each_value_came_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    session = Session()
    session.options = CommonOptions(profile="work", debug=True)
    assert session.setting("region", option=None) == "eu-west-3"
    assert session.setting("profile", option="work") == "work"
    told = capsys.readouterr().err
    assert "debug: region = eu-west-3 (AWS_REGION)" in told
    assert "debug: profile = work (option)" in told


def test_the_next_command_goes_on_in_the_same_account() -> None:
    session = Session()
    assert session.command("chat", "tiny") == "sagewizard chat tiny"
    session.options = CommonOptions(sandbox=True, profile="my work", region="eu-west-1")
    assert session.command("chat", "tiny") == "sagewizard --sandbox --profile 'my work' --region eu-west-1 chat tiny"
