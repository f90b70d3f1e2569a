import subprocess
import sys
from pathlib import Path

import pytest

from core.deployments.staging import staging_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEWIZARD_HOME", str(tmp_path))
    return tmp_path


def test_the_folder_is_gone_afterwards_even_after_a_fault(home: Path) -> None:
    def use_and_fail() -> None:
        with staging_folder("one") as folder:
            (folder / "archive").write_bytes(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        use_and_fail()
    assert list((home / "cache" / "staging").iterdir()) == []


def test_what_a_kill_left_is_swept_and_what_is_in_use_is_not(home: Path) -> None:
    program = (
        "import os, signal; from core.deployments.staging import staging_folder\n"
        "with staging_folder('killed') as folder:\n"
        "    (folder / 'archive').write_bytes(b'x'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    with staging_folder("first") as first:
        assert not (first.parent / "killed").exists()
        (first / "archive").write_bytes(b"x")
        with staging_folder("second"):
            assert (first / "archive").exists()
