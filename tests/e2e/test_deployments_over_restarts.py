"""Deployments that outlive a stop of the sandbox, or its death."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.account import open_account
from core.deployments.ledger import list_deployments
from core.sandbox import daemon
from tests.e2e.stand import Stand


@pytest.fixture
def own(isolated_home: Path) -> Iterator[Path]:
    """A home of its own whose sandbox is stopped."""
    yield isolated_home
    daemon.stop()


@pytest.mark.parametrize("killed", [False, True])
def test_a_deployment_of_before_can_be_deleted_with_nothing_left(own: Path, tmp_path: Path, killed: bool) -> None:
    before = Stand(open_account(sandbox=True), tmp_path)
    identifier = before.deploy(before.plan("lasting"))
    left = before.left_of("lasting")
    assert len(left) == 5
    if killed:
        os.kill(daemon.ensure_running().pid, signal.SIGKILL)
    else:
        daemon.stop()
    after = Stand(open_account(sandbox=True), tmp_path)
    assert after.left_of("lasting") == left
    (found,) = list_deployments(after.account.ledgers)
    assert (found.id, found.status) == (identifier, "ready")
    after.remove(identifier)  # at once, while its container is still being started again
    assert after.left_of("lasting") == []
