"""The stages of a run under way: two at once, each with what is known of it, in every width."""

from datetime import timedelta

import pytest
from textual.app import ComposeResult

from core.deployments.events import Event
from core.errors import CancelledByUser, UnreachableError
from tests.tui.driving import Stage, settled, shown, until_shown
from tests.tui.samples import BEGUN, a_transferring_run
from tests.unit.plans import a_plan
from tui.runs import DeploymentRun
from tui.screens.deployment import DeploymentScreen
from tui.widgets.stage_list import StageList

_NOW = BEGUN + timedelta(seconds=47)


class _Listing(Stage):
    """Shows the list alone."""

    def compose(self) -> ComposeResult:
        yield StageList()


async def _shown(run: DeploymentRun, columns: int) -> list[str]:
    app = _Listing()
    async with app.run_test(size=(columns, 15)) as pilot:
        app.query_one(StageList).show(run, _NOW)
        await settled(pilot)
        app.query_one(StageList).show(run, _NOW)
        return [line.strip() for line in (await settled(pilot)).splitlines() if line.strip()]


async def test_both_bars_move_and_tell_what_fits() -> None:
    package, upload = "◐ running  Package  ━━━━━━╌╌╌╌╌╌╌╌ ", "◐ running  Upload   ━━━━━╌╌╌╌╌╌╌╌╌ "
    expected = {
        120: (
            "41%  1.3 of 3.1 GB  90 MB/s  0:23 left  …/model-00003-of-00046.safetensors   0:44",
            "37%  1.2 of 3.1 GB  84 MB/s  0:23 left  …/model-00002-of-00046.safetensors   0:44",
        ),
        80: ("1.3 of 3.1 GB  90 MB/s  0:23 left    0:44", "1.2 of 3.1 GB  84 MB/s  0:23 left    0:44"),
        60: ("1.3 of 3.1 GB    0:44", "1.2 of 3.1 GB    0:44"),
    }
    for columns, (packing, uploading) in expected.items():
        lines = await _shown(a_transferring_run(), columns)
        assert " ".join(lines[1].split()) == " ".join((package + packing).split())
        assert " ".join(lines[2].split()) == " ".join((upload + uploading).split())
        assert all(len(line) <= columns for line in lines)


async def test_in_a_low_window_what_is_under_way_leaves_room_for_the_log() -> None:
    app = Stage()
    async with app.run_test(size=(60, 15)) as pilot:
        await app.push_screen(DeploymentScreen(app.workspace, a_transferring_run()))
        await until_shown(pilot, "Uploading to s3://")  # in the log
        text = shown(app)
        assert all(title in text for title in ("Deploying tiny", "Package", "Upload ", "1.2 of 3.1 GB"))
        assert "Inspect" not in text


def test_of_two_stages_at_once_the_later_one_is_what_the_run_is_at() -> None:
    run = a_transferring_run()
    assert run.current is not None
    assert run.current.stage == "upload"
    assert run.doing == "upload 37%"


def test_until_the_later_one_is_counted_the_earlier_one_is() -> None:
    run = DeploymentRun(a_plan(), started=BEGUN)
    for stage in ("package", "upload"):
        run.apply(Event("d", stage, "started", "Begin", at=BEGUN))
    assert run.doing == "package"
    run.apply(Event("d", "package", "progress", "On", 1, 10, "bytes", at=BEGUN))
    assert run.doing == "package 10%"
    run.apply(Event("d", "package", "finished", "All read", at=BEGUN))
    assert run.doing == "upload"


def test_a_stage_that_ended_has_no_rate_any_more() -> None:
    run = a_transferring_run()
    run.apply(Event("d1", "package", "finished", "All read", at=_NOW))
    assert (run.stages["package"].rate, run.stages["package"].file) == (None, None)
    assert run.stages["upload"].rate == pytest.approx(84.2e6)


def test_what_goes_on_beside_what_failed_is_stopped_not_failed() -> None:
    run = a_transferring_run()
    run.apply(Event("d1", "upload", "failed", "No network.", at=_NOW))
    run.finish("failed", UnreachableError("No network."))
    assert {stage: run.stages[stage].word for stage in ("package", "upload")} == {
        "package": "stopped",
        "upload": "failed",
    }
    assert run.stages["package"].seconds_left is None


def test_while_it_is_undone_nothing_else_goes_on() -> None:
    run = a_transferring_run()
    run.apply(Event("d1", "rollback", "started", "Removing what tiny is made of", at=_NOW))
    assert [line.stage for line in run.stages.values() if line.word == "running"] == ["rollback"]
    assert run.doing == "rollback"
    run.apply(Event("d1", "upload", "failed", "No.", at=_NOW))
    run.finish("cancelled", CancelledByUser())
    assert run.stages["upload"].word == run.stages["package"].word == "stopped"
