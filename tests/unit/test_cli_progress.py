"""A run's events shown to people and to programs."""

import io
import json

import pytest

from core.deployments.events import Event
from core.errors import SagewizardError
from tui.event_lines import EventLines
from tui.progress import ProgressLines


class _Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _run(stream: io.StringIO, *events: Event) -> str:
    with ProgressLines(stream) as lines:
        for event in events:
            lines(event)
    return stream.getvalue()


def _upload(done: int) -> Event:
    return Event("d", "upload", "progress", "Uploading", done=done, total=999, unit="bytes")


_STARTED = Event("d", "upload", "started", "Uploading to s3://b/k")
_FINISHED = Event("d", "upload", "finished", "s3://b/k")


def test_without_a_terminal_progress_is_plain_lines_in_quarters() -> None:
    shown = _run(io.StringIO(), _STARTED, *(_upload(done) for done in range(0, 1000, 10)), _FINISHED)
    assert shown.splitlines() == [
        "Upload: Uploading to s3://b/k",
        "Upload 25%: 250 of 999 B",
        "Upload 50%: 500 of 999 B",
        "Upload 75%: 750 of 999 B",
        "Upload: s3://b/k (0:00)",
    ]
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_on_a_terminal_the_line_of_a_stage_moves() -> None:
    shown = _run(_Terminal(), _STARTED, _upload(500), _FINISHED)
    assert "██████████░░░░░░░░░░  50 %  500 of 999 B" in shown
    assert shown.endswith("\n")
    assert "✓" in shown.splitlines()[-1]


def test_log_lines_stand_above_the_moving_line() -> None:
    shown = _run(_Terminal(), _STARTED, Event("d", "upload", "log", "starting [worker] 1"), _FINISHED)
    assert "starting [worker] 1" in shown
    assert shown.index("starting [worker] 1") < shown.index("✓")


def test_colours_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    warning = Event("d", "upload", "warning", "odd")
    assert "\x1b[33m" in _run(_Terminal(), warning)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in _run(_Terminal(), warning)


def test_text_from_outside_controls_nothing() -> None:
    hostile = "\x1b]0;title\x07\x1b[2Jhello\nworld"
    shown = _run(io.StringIO(), Event("d", "endpoint", "log", hostile))
    assert shown == "  | hello world\n"


def test_a_stream_that_went_away_does_not_stop_the_run() -> None:
    stream = _Terminal()
    with ProgressLines(stream) as lines:
        lines(_STARTED)
        stream.close()
        lines(_upload(500))
        lines(_FINISHED)


def test_a_log_keeps_its_indentation() -> None:
    shown = _run(io.StringIO(), Event("d", "endpoint", "log", '    File "inference.py", line 7'))
    assert shown == '  |     File "inference.py", line 7\n'


def test_each_event_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    lines = EventLines()
    lines(_STARTED)
    lines(_upload(500))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["stage"], first["kind"], first["done"]) == ("upload", "started", None)
    assert (second["done"], second["total"], second["unit"]) == (500, 999, "bytes")


def test_a_failure_that_no_event_told_of_becomes_the_last_event(capsys: pytest.CaptureFixture[str]) -> None:
    lines = EventLines()
    lines(_STARTED)
    lines.end_with(SagewizardError("It broke.", fix="Mend it."))
    lines.end_with(SagewizardError("It broke.", fix="Mend it."))
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["deployment"], last["stage"], last["kind"]) == ("d", "upload", "failed")
    assert (last["cause"], last["fix"]) == ("It broke.", "Mend it.")


def test_a_failure_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = EventLines()
    lines(Event("d", "role", "failed", "It broke.", cause="It broke.", fix=""))
    lines.end_with(SagewizardError("It broke."))
    assert len(capsys.readouterr().out.splitlines()) == 1
