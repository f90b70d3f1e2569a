"""The list of endpoints: what each costs, and what all of them cost together."""

from datetime import UTC, datetime

import pytest

from core.endpoints.desk import EndpointSummary
from tui import cli


def _endpoint(name: str, status: str, price: float | None) -> EndpointSummary:
    return EndpointSummary(name, status, "ml.m5.large", 1, datetime(2026, 1, 1, tzinfo=UTC), True, price)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "pytest.CaptureFixture[str]":
    monkeypatch.setattr("tui.session.Session.account", lambda _: None)
    return capsys


def _list(monkeypatch: pytest.MonkeyPatch, *found: EndpointSummary) -> None:
    monkeypatch.setattr("core.endpoints.desk.list_endpoints", lambda _: found)
    assert cli.run(["endpoints"]) == 0


def test_only_what_costs_is_on_the_bill(monkeypatch: pytest.MonkeyPatch, shown: pytest.CaptureFixture[str]) -> None:
    names = ("Failed", "OutOfService", "Deleting")
    _list(monkeypatch, _endpoint("runs", "InService", 0.25), *(_endpoint(name.lower(), name, 0.25) for name in names))
    lines = shown.readouterr().out.splitlines()
    assert lines[-1] == "Together $0.25/h."
    assert [line.split()[0] for line in lines if "$" in line] == ["runs", "Together"]


def test_a_price_that_is_not_known_is_said(monkeypatch: pytest.MonkeyPatch, shown: pytest.CaptureFixture[str]) -> None:
    _list(monkeypatch, _endpoint("runs", "InService", 0.25), _endpoint("starts", "Creating", None))
    assert shown.readouterr().out.splitlines()[-1] == "Together $0.25/h and what has no known price."


def test_without_anything_that_costs_there_is_no_bill(
    monkeypatch: pytest.MonkeyPatch, shown: pytest.CaptureFixture[str]
) -> None:
    _list(monkeypatch, _endpoint("failed", "Failed", 0.25))
    assert "Together" not in shown.readouterr().out
