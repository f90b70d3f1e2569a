"""`sagewizard --readonly`: how it is asked for, and that what it turns off is nowhere offered."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.endpoints.desk import EndpointSummary
from tests.tui.driving import SANDBOX, Stage, settled
from tui import app, cli
from tui.context import AppContext
from tui.screens.endpoint import EndpointScreen
from tui.screens.help import keys_of
from tui.screens.home import HomeScreen, empty_words
from tui.session import Session


@pytest.mark.parametrize("arguments", [["--readonly", "--sandbox"], ["--sandbox", "--readonly"], ["--sandbox"]])
def test_the_program_is_opened_as_asked(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[AppContext] = []

    def run_app(context: AppContext) -> int:
        opened.append(context)
        return 0

    monkeypatch.setattr(app, "run_app", run_app)
    monkeypatch.setattr(Session, "may_ask", True)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert cli.run(arguments) == 0
    assert [(context.sandbox, context.readonly) for context in opened] == [(True, "--readonly" in arguments)]


def test_a_command_is_not_run_as_if_it_were_read_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--readonly", "--sandbox", "deployments"]) == 2
    assert "--readonly is for the full-screen program alone." in capsys.readouterr().err


@pytest.mark.parametrize("sandbox", [True, False])
async def test_it_is_said_at_80_columns(sandbox: bool) -> None:
    context = replace(SANDBOX, sandbox=sandbox, readonly=True, profile=None if sandbox else "a-profile-" * 6)
    stage = Stage(context)
    async with stage.run_test(size=(80, 24)) as pilot:
        screen = HomeScreen(stage.workspace)
        await stage.push_screen(screen)
        screen._found((EndpointSummary("a", "InService", "ml.m5.large", 1, datetime.now(UTC), True, 0.115),))
        text = await settled(pilot)
        assert "read-only" in text.splitlines()[0]
        assert "opening …" in text.splitlines()[0]


async def test_what_is_turned_off_is_not_offered() -> None:
    stage = Stage(replace(SANDBOX, readonly=True))
    async with stage.run_test(size=(80, 24)):
        for screen in (HomeScreen(stage.workspace), EndpointScreen(stage.workspace, "a")):
            await stage.push_screen(screen)
            said = " ".join(says for _, says in keys_of(screen))
            assert "Deploy a model" not in said
            assert "Delete" not in said
    assert "Press" not in empty_words("us-east-1", readonly=True).plain
    assert "Press n to deploy one" in empty_words("us-east-1", readonly=False).plain
