from datetime import timedelta

import pytest

from core.deployments.events import STAGES, Event
from core.errors import CancelledByUser
from tests.tui.samples import BEGUN, a_failed_run
from tests.unit.plans import a_plan
from tui.runs import DeploymentRun, StageLine
from tui.widgets.stage_list import bar, stage_words


def test_a_new_run_waits_at_every_stage() -> None:
    run = DeploymentRun(a_plan(), started=BEGUN)
    assert [line.word for line in run.stages.values()] == ["waiting"] * len(STAGES)
    assert run.active
    assert run.current is None
    assert run.seconds(BEGUN + timedelta(seconds=90)) == 90


def test_a_failed_run_tells_where_it_failed_and_that_it_was_undone() -> None:
    run = a_failed_run()
    assert not run.active
    assert run.stages["endpoint"].word == "failed"
    assert run.stages["rollback"].word == "done"
    assert run.stages["ready"].word == "waiting"
    assert run.seconds(BEGUN + timedelta(days=1)) == 42 + 120 + 3
    assert any("worker died with code 1" in line for line in run.log)
    assert run.logged == len(run.log)


def test_stopping_is_told_from_failing() -> None:
    run = DeploymentRun(a_plan(), started=BEGUN)
    run.apply(Event("d", "upload", "started", "Uploading", at=BEGUN))
    run.finish("cancelled", CancelledByUser())
    assert run.stages["upload"].word == "stopped"


def test_progress_is_shown_in_bytes_and_never_beyond_the_end() -> None:
    line = StageLine("upload").after(Event("d", "upload", "started", "Uploading", at=BEGUN))
    assert line.fraction is None
    half = line.after(Event("d", "upload", "progress", "Uploading", 5_000_000, 10_000_000, "bytes", at=BEGUN))
    assert half.fraction == 0.5
    assert stage_words(half, 20) == "50%   5.0 of 10.0 MB"
    assert bar(half, BEGUN).count("━") == 7
    over = line.after(Event("d", "upload", "progress", "Uploading", 12, 10, "bytes", at=BEGUN))
    assert over.fraction == 1.0


@pytest.mark.parametrize("seconds", range(0, 40, 3))
def test_a_bar_of_unknown_length_keeps_its_width(seconds: int) -> None:
    line = StageLine("endpoint", "running", started=BEGUN)
    drawn = bar(line, BEGUN + timedelta(seconds=seconds))
    assert len(drawn) == len(bar(StageLine("endpoint"), BEGUN))
    assert drawn.count("━") == 4


def test_a_log_line_changes_no_stage() -> None:
    line = StageLine("endpoint", "running", "Creating", started=BEGUN)
    assert line.after(Event("d", "endpoint", "log", "hello")) is line
