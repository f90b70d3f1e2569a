"""What the tests of whole runs stand on."""

from pathlib import Path

import pytest

from core.account import open_account
from tests.e2e.stand import Stand


@pytest.fixture
def stand(sandbox_home: Path, tmp_path: Path) -> Stand:
    return Stand(open_account(sandbox=True), tmp_path)
