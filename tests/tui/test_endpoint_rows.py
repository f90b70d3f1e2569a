from datetime import timedelta

import pytest

from core.endpoints.desk import EndpointSummary
from core.endpoints.details import IDLE_STATUSES
from tests.tui.samples import BEGUN, a_failed_run
from tests.unit.plans import a_plan
from tui.endpoint_rows import FREE_STATUSES, age_words, endpoint_rows, total_usd_per_hour
from tui.runs import DeploymentRun


def _summary(name: str, status: str = "InService", hours: int = 1, price: float | None = 1.5) -> EndpointSummary:
    return EndpointSummary(name, status, "ml.g5.2xlarge", 1, BEGUN + timedelta(hours=hours), True, price)


def test_a_deployment_under_way_is_a_row_before_its_endpoint_exists() -> None:
    run = DeploymentRun(a_plan("new"), started=BEGUN + timedelta(days=1))
    rows = endpoint_rows([_summary("old")], [run], {})
    assert [row.name for row in rows] == ["new", "old"]
    assert rows[0].doing == "starting"
    assert rows[0].status == "Creating"


def test_a_deployment_and_its_endpoint_are_one_row() -> None:
    rows = endpoint_rows([_summary("tiny", "Creating")], [DeploymentRun(a_plan("tiny"), started=BEGUN)], {})
    assert [(row.name, row.doing) for row in rows] == [("tiny", "starting")]


def test_a_deployment_has_its_price_from_the_start_and_costs_nothing_before_its_endpoint_exists() -> None:
    run = DeploymentRun(a_plan("new"), started=BEGUN)
    rows = endpoint_rows([], [run], {})
    assert [(row.usd_per_hour, row.costs) for row in rows] == [(0.115, False)]
    rows = endpoint_rows([_summary("new", "Creating", price=None)], [run], {})
    assert [(row.usd_per_hour, row.costs) for row in rows] == [(0.115, True)]


def test_a_run_that_failed_is_a_row_until_it_is_put_aside() -> None:
    run = a_failed_run()
    rows = endpoint_rows([], [run], {})
    assert [(row.name, row.status, row.costs) for row in rows] == [("tiny", "Failed", False)]
    run.dismissed = True
    assert endpoint_rows([], [run], {}) == ()


def test_a_run_that_was_stopped_is_a_row_and_one_that_is_ready_is_its_endpoints() -> None:
    stopped, ready = DeploymentRun(a_plan("stopped")), DeploymentRun(a_plan("ready"))
    stopped.finish("cancelled")
    ready.finish("ready")
    rows = endpoint_rows([_summary("ready")], [stopped, ready], {})
    assert {row.name: (row.status, row.doing) for row in rows} == {
        "stopped": ("OutOfService", "stopped"),
        "ready": ("InService", ""),
    }


def test_of_runs_of_one_name_the_newest_counts() -> None:
    again = DeploymentRun(a_plan("tiny"), started=BEGUN)
    rows = endpoint_rows([], [a_failed_run(), again], {})
    assert [(row.name, row.doing) for row in rows] == [("tiny", "starting")]


def test_what_a_failed_run_left_is_seen_to_be_deleted() -> None:
    rows = endpoint_rows([], [a_failed_run()], {"tiny": "Removing the role"})
    assert [(row.status, row.doing) for row in rows] == [("Deleting", "deleting")]


def test_what_is_being_deleted_says_so_and_is_no_longer_counted() -> None:
    rows = endpoint_rows([_summary("a"), _summary("b")], [], {"a": "Removing the role"})
    assert {row.name: row.status for row in rows} == {"a": "Deleting", "b": "InService"}
    assert total_usd_per_hour(rows) == 1.5


def test_what_is_being_deleted_stays_until_all_of_it_is_gone() -> None:
    before = endpoint_rows([_summary("a"), _summary("b")], [], {})
    rows = endpoint_rows([_summary("b")], [], {"a": "Removing the role"}, before)
    assert {row.name: row.doing for row in rows} == {"a": "deleting", "b": ""}
    assert total_usd_per_hour(rows) == 1.5
    assert [row.name for row in endpoint_rows([_summary("b")], [], {}, rows)] == ["b"]


def test_only_what_runs_is_counted() -> None:
    rows = endpoint_rows([_summary("a"), _summary("b", "Failed"), _summary("c", price=None)], [], {})
    assert total_usd_per_hour(rows) == 1.5


def test_the_free_statuses_are_those_of_the_desk() -> None:
    assert FREE_STATUSES == IDLE_STATUSES


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (86_400 * 3 + 5, "3 d")]
)
def test_ages_are_told_in_their_largest_unit(seconds: float, words: str) -> None:
    assert age_words(seconds) == words
